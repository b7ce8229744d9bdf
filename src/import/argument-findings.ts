import { type Finding, left } from './finding.ts';
import type { Option } from './serving.ts';
import { flagFindings } from './targets.ts';
import { type At, UNKNOWN, wordFindings } from './word-findings.ts';

/** What options of vLLM come to; of one that stands for more than is known here, why it is left. */
export function argumentFindings(options: readonly Option[], at: At): readonly Finding[] {
  const parser = options.find(({ name }) => name === 'tool-call-parser');
  return options.flatMap((option): readonly Finding[] => {
    const { name, flag, values } = option;
    const setting = at(flag.text, flag.line);
    if (flag.certainty === 'unknown') return [left(setting, UNKNOWN)];
    if (name === undefined && !flag.text.startsWith('-'))
      return [left(setting, 'it is no option, and no option takes it')];
    if (name === undefined)
      return [left(setting, 'it is a short option, and which long one it stands for is not known')];
    // The parser's field gives both flags.
    if (name === 'enable-auto-tool-choice' && parser)
      return wordFindings(setting, parser.values, (said) => flagFindings('tool-call-parser', said));
    return wordFindings(setting, values, (said) => flagFindings(name, said));
  });
}
