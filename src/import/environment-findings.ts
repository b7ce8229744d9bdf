import { type Finding, left } from './finding.ts';
import type { Command } from './shell/commands.ts';
import { claimOf } from './targets.ts';
import { type At, wordFindings } from './word-findings.ts';

/** `module load`, `source VENV/bin/activate`, and what else changes what the engine finds. */
export function environmentFindings({ words, line }: Command, at: At): readonly Finding[] {
  const [program, second, ...rest] = words;
  switch (program?.text) {
    case 'module':
    case 'ml': {
      const names =
        second?.text === 'load' || second?.text === 'add' ? rest : program.text === 'ml' ? words.slice(1) : [];
      const setting = at([program.text, second?.text].join(' ').trim(), line);
      if (names.length === 0) return [left(setting, 'it takes modules away, and a job begins without any')];
      return wordFindings(setting, names, (said) =>
        claimOf({ field: 'spec.runtime.modules', kind: 'words' }, said.words, setting, said.authority),
      );
    }
    case 'source':
    case '.': {
      const setting = at(`source ${second?.text ?? ''}`, line);
      const venv = /^(.*)\/bin\/activate$/.exec(second?.text ?? '')?.[1];
      if (!second || venv === undefined)
        return [left(setting, 'what it sets is not known: name it in spec.runtime or spec.engine.env')];
      return wordFindings(setting, [{ ...second, text: venv }], (said) =>
        claimOf({ field: 'spec.runtime.venv', kind: 'path' }, said.words, setting, said.authority),
      );
    }
    case 'conda':
    case 'mamba':
    case 'micromamba':
      return [
        left(
          at(`${program.text} ${second?.text ?? ''}`, line),
          'spec.runtime.venv takes the directory of an environment: name it there',
        ),
      ];
    case 'ulimit':
      return [left(at('ulimit', line), 'the operator raises the limit of open files itself')];
    default:
      return [];
  }
}
