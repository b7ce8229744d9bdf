import { type Context, dashed, EMPTY, isEmpty, leftRule, type Rule, valueRule } from './entry-findings.ts';
import { type Finding, left, problem, warning } from './finding.ts';
import { FREE_ARGUMENTS } from './free-arguments.ts';
import { gpusOverNodes } from './gpus.ts';
import { readJobScript } from './job-script.ts';
import { flag, NO_FIELD, option, quantizationRule } from './launch-sections.ts';
import type { ModelReading, Surroundings } from './reading.ts';
import { claimOf, isFlagOfField, isOptionOfField } from './targets.ts';
import { readValue } from './values.ts';
import type { Entry } from './yaml-entries.ts';

const MODEL_RULES: Readonly<Record<string, Rule>> = {
  name: valueRule(({ setting, words, authority }) => [
    { kind: 'claim', setting, field: 'spec.model.names', value: [words.join(' ')], authority },
  ]),
  huggingface_id: flag('model'),
  hf_id: flag('model'),
  model_id: flag('model'),
  model_path: flag('model'),
  quantization: quantizationRule,
  vision: leftRule('vLLM finds out from the model itself what it can see'),
  partitions: option('partition'),
  context_length: flag('max-model-len'),
  description: leftRule('it is for people'),
  ...FREE_ARGUMENTS,
};

/** One entry of `models`, with what its job script says. */
export function readModel(entry: Entry, around: Surroundings): readonly ModelReading[] {
  const context: Context = { authority: 'model', shell: around.shell };
  const { setting, name } = entry;
  if (entry.entries.length === 0)
    return [{ setting, name, findings: [problem(setting.place, `${setting.key} must hold its settings below it`)] }];
  const own = entry.entries.flatMap((one): readonly Finding[] => {
    if (one.name === 'gpus') return totalGpus(one, entry.entries, context);
    if (one.name === 'gpus_per_node')
      return valueRule(({ words, authority }) =>
        claimOf({ field: 'spec.resources.gpusPerNode', kind: 'integer' }, words, one.setting, authority),
      )(one, context);
    if (one.name === 'job_script') return [];
    return modelRule(one)(one, context);
  });
  return [{ setting, name, findings: withScript(own, entry, around) }];
}

function modelRule({ name }: Entry): Rule {
  const rule = MODEL_RULES[name];
  if (rule) return rule;
  if (isFlagOfField(dashed(name))) return flag(dashed(name));
  return isOptionOfField(dashed(name)) ? option(dashed(name)) : leftRule(NO_FIELD);
}

function totalGpus(entry: Entry, siblings: readonly Entry[], context: Context): readonly Finding[] {
  return valueRule(({ setting, words, authority }) => {
    const gpus = readValue('integer', words.join(' '));
    if (!gpus.ok) return claimOf({ field: '', kind: 'integer' }, words, setting, authority);
    const nodes = siblings.find(({ name }) => name === 'nodes');
    const count = Number(nodes?.value);
    const counted = nodes && Number.isInteger(count) && count > 0 ? { setting: nodes.setting, count } : undefined;
    return gpusOverNodes({ setting, count: Number(gpus.value) }, counted, authority);
  })(entry, context);
}

/** A model's own lines with what its job script says beside them. */
function withScript(own: readonly Finding[], model: Entry, around: Surroundings): readonly Finding[] {
  const entry = model.entries.find(({ name }) => name === 'job_script');
  if (!entry) return own;
  const { setting, value } = entry;
  if (typeof value !== 'string' || value === '')
    return [...own, isEmpty(value) ? left(setting, EMPTY) : problem(setting.place, `${setting.key} must be a file`)];
  const text = around.scripts.get(value);
  if (!text)
    return [
      ...own,
      left(setting, 'the operator writes the script itself; this one is not at hand to be read'),
      warning(
        `${value} is not at hand: what only it says (parsers, tool choice, multimodal flags, lengths) is not imported`,
        setting.place,
      ),
    ];
  const script = readJobScript(text.file, text.text, around.shell);
  const noStart =
    script.servesAt === undefined
      ? [
          warning(
            `${text.file} starts no vLLM that could be found: only its #SBATCH lines and variables are read`,
            setting.place,
          ),
        ]
      : [];
  return [
    ...own.flatMap((finding) =>
      unlessScriptIsSilent(finding, script.flags, { file: text.file, line: script.servesAt ?? 1 }),
    ),
    left(setting, 'the operator writes the script itself; what this one says was read'),
    ...script.findings,
    ...noStart,
  ];
}

/**
 * A quantization that the script does not pass on was a remark: given to vLLM now, it would quantize weights anew, or be
 * refused for those that are quantized another way.
 */
function unlessScriptIsSilent(
  finding: Finding,
  flags: ReadonlySet<string> | undefined,
  script: { readonly file: string; readonly line: number },
): readonly Finding[] {
  if (finding.kind !== 'claim' || finding.field !== 'spec.engine.quantization') return [finding];
  if (!flags || flags.has('quantization')) return [finding];
  const { setting, value } = finding;
  return [
    left(setting, `${script.file} starts vLLM without --quantization, and vLLM finds it out from the weights`),
    warning(
      `${setting.key} is ${String(value)}, but the script passes no --quantization: left out, as it is what ran`,
      setting.place,
      script,
    ),
  ];
}
