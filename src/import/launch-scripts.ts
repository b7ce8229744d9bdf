import path from 'node:path';
import { didYouMean } from '../nearest.ts';
import {
  type Context,
  dashed,
  EMPTY,
  guessRule,
  isEmpty,
  isNested,
  leftRule,
  type Rule,
  valueRule,
} from './entry-findings.ts';
import { type Finding, left, problem, warning } from './finding.ts';
import { gpusOverNodes } from './gpus.ts';
import { readJobScript } from './job-script.ts';
import type { ModelReading, Reading, Surroundings } from './reading.ts';
import {
  claimOf,
  flagFindings,
  isFlagOfField,
  isOptionOfField,
  optionFindings,
  type Said,
  variableFindings,
} from './targets.ts';
import { readValue } from './values.ts';
import type { Entry } from './yaml-entries.ts';

/** The scripts' `config.yaml`: sections for every model, and `models` with what each has of its own. */
export function readLaunchScripts(entries: readonly Entry[], around: Surroundings): Reading {
  const context: Context = { authority: 'default', shell: around.shell };
  const sections = new Map(entries.map((entry) => [entry.name, entry]));
  const models = sections.get('models');
  const active = sections.get('active_model');
  const known = [...Object.keys(SECTIONS), 'models', 'active_model'];
  const shared = entries
    .filter(({ name }) => name !== 'models' && name !== 'active_model')
    .flatMap((entry): readonly Finding[] => {
      const section = SECTIONS[entry.name];
      if (!section) return leftRule(`there is no such section.${didYouMean(entry.name, known)}`)(entry, context);
      if (isEmpty(entry.value)) return [left(entry.setting, EMPTY)];
      if (entry.entries.length === 0)
        return section.alone
          ? section.alone(entry, context)
          : [problem(entry.setting.place, `${entry.name} must hold \`key: value\` lines below it`)];
      return entry.entries.flatMap((one) => (section.rules(around)[one.name] ?? section.otherwise)(one, context));
    });
  const activeName = typeof active?.value === 'string' && active.value !== '' ? active.value : undefined;
  return {
    format: 'launch-scripts',
    shared: [...shared, ...wholeFindings(models, active, activeName, around)],
    models: (models?.entries ?? []).flatMap((entry) => readModel(entry, around)),
    ...(active && activeName !== undefined && { active: { setting: active.setting, name: activeName } }),
  };
}

function wholeFindings(
  models: Entry | undefined,
  active: Entry | undefined,
  activeName: string | undefined,
  { file }: Surroundings,
): readonly Finding[] {
  if (!models) return [problem({ file, line: 1 }, 'has no section `models`: there is nothing to import')];
  if (models.entries.length === 0)
    return [problem(models.setting.place, '`models` must hold the name of each model with its settings below it')];
  if (!active) return [];
  if (activeName === undefined)
    return isEmpty(active.value)
      ? [left(active.setting, EMPTY)]
      : [problem(active.setting.place, 'active_model must be the name of a model')];
  const names = models.entries.map(({ name }) => name);
  if (names.includes(activeName)) return [];
  return [
    problem(
      active.setting.place,
      `active_model is "${activeName}", and models has none of that name.${didYouMean(activeName, names)}`,
    ),
  ];
}

// ------------------------------------------------------------------------------------------------ sections
type Section = {
  readonly rules: (around: Surroundings) => Readonly<Record<string, Rule>>;
  readonly otherwise: Rule;
  /** A section may be one value. */
  readonly alone?: Rule;
};

const NO_FIELD = 'no field says this; if vLLM has a flag for it, write that into spec.engine.args';

const flag = (name: string): Rule => valueRule((said) => flagFindings(name, said));
const option = (name: string): Rule => valueRule((said) => optionFindings(name, said));
const variable = (name: string): Rule => valueRule((said) => variableFindings(name, said));

/** `time_default` and `max_model_len_default` are there to be overridden. */
const yielding =
  (rule: Rule): Rule =>
  (entry, context) =>
    rule(entry, context).map((finding) => (finding.kind === 'claim' ? { ...finding, yields: true } : finding));

const logDirectory = ({ directory }: Surroundings): Rule =>
  valueRule(({ setting, words, authority }) => [
    {
      kind: 'claim',
      setting,
      field: 'settings.logDirectory',
      value: path.resolve(directory, words.join(' ')),
      authority,
    },
  ]);

const SECTIONS: Readonly<Record<string, Section>> = {
  slurm: {
    rules: () => ({
      time_default: option('time'),
      default_time: option('time'),
      partitions: option('partition'),
      cpus_per_gpu: leftRule('each node has one task: write its CPUs into spec.resources.cpusPerTask'),
    }),
    otherwise: guessRule((entry, context) => option(dashed(entry.name))(entry, context), NO_FIELD),
  },
  cache: {
    rules: () => ({
      xdg_cache_home: variable('XDG_CACHE_HOME'),
      triton_cache_dir: variable('TRITON_CACHE_DIR'),
      huggingface_cache: variable('HF_HOME'),
      hf_home: variable('HF_HOME'),
      hf_hub_cache: variable('HF_HUB_CACHE'),
      vllm_cache_root: variable('VLLM_CACHE_ROOT'),
      torchinductor_cache_dir: variable('TORCHINDUCTOR_CACHE_DIR'),
    }),
    otherwise: leftRule('no field says this; a variable of the engine goes into spec.engine.env'),
  },
  paths: {
    rules: (around) => ({ venv_dir: venvRule, log_dir: logDirectory(around), logs_dir: logDirectory(around) }),
    otherwise: leftRule('the operator has paths of its own, and needs no such one'),
  },
  vllm: {
    rules: () => ({ max_model_len_default: yielding(flag('max-model-len')) }),
    otherwise: engineRule,
  },
  distributed: {
    rules: () => ({
      rdzv_backend: valueRule(({ setting, words, authority }) =>
        words.join() === 'c10d'
          ? [{ kind: 'claim', setting, field: 'spec.launcher.type', value: 'torchrun', authority }]
          : [left(setting, 'torchrun is started with c10d, and needs no server beside it')],
      ),
      rdzv_timeout: valueRule(rendezvousTimeout),
      master_port_base: valueRule(({ setting, words, authority }) => {
        const base = readValue('integer', words.join(' '));
        if (!base.ok) return claimOf({ field: '', kind: 'integer' }, words, setting, authority);
        // The scripts added the job's number, modulo a thousand.
        const value = `${base.value}-${Math.min(Number(base.value) + 999, 65_535)}`;
        return [{ kind: 'claim', setting, field: 'spec.launcher.rendezvous.portRange', value, authority }];
      }),
    }),
    otherwise: leftRule('the operator starts the ranks itself: spec.launcher'),
  },
  nccl: {
    rules: () => ({
      blocksize: variable('NCCL_BUFFSIZE'),
      debug: valueRule((said) =>
        said.words.join().toUpperCase() === 'ERROR'
          ? [left(said.setting, 'NCCL has no level ERROR (it has VERSION, WARN, INFO and TRACE)')]
          : variableFindings('NCCL_DEBUG', { ...said, words: said.words.map((word) => word.toUpperCase()) }),
      ),
    }),
    otherwise: guessRule(
      (entry, context) =>
        valueRule((said) =>
          variableFindings(`NCCL_${entry.name.toUpperCase()}`, { ...said, words: said.words.map(asNumber) }),
        )(entry, context),
      NO_FIELD,
    ),
  },
  quantization: {
    rules: () => ({
      default: quantizationRule,
      method: quantizationRule,
      kv_cache_dtype: flag('kv-cache-dtype'),
      dtype: flag('dtype'),
    }),
    otherwise: leftRule('no field says this: each model has its own spec.engine.quantization'),
    alone: quantizationRule,
  },
  logging: {
    rules: (around) => ({
      log_dir: logDirectory(around),
      log_directory: logDirectory(around),
      directory: logDirectory(around),
      dir: logDirectory(around),
      output_dir: logDirectory(around),
      level: logLevelRule,
      log_level: logLevelRule,
    }),
    otherwise: leftRule('jobs log into one file an attempt, below logDirectory: `vllm-slurm logs`'),
  },
};

/** The longest a rendezvous may take here: nodes that are not there within an hour do not come. */
const MAX_RENDEZVOUS_SECONDS = 3600;

function rendezvousTimeout({ setting, words, authority }: Said): readonly Finding[] {
  const target = { field: 'spec.launcher.rendezvous.timeoutSeconds', kind: 'integer' } as const;
  const findings = claimOf(target, words, setting, authority);
  return findings.flatMap((finding) => {
    if (finding.kind !== 'claim' || Number(finding.value) <= MAX_RENDEZVOUS_SECONDS) return [finding];
    return [
      { ...finding, value: MAX_RENDEZVOUS_SECONDS },
      warning(
        `${setting.key} is ${finding.value}, and ${MAX_RENDEZVOUS_SECONDS} is the longest there is: written so`,
        setting.place,
      ),
    ];
  });
}

const asNumber = (word: string): string => ({ true: '1', false: '0' })[word] ?? word;

/** What has no field is a flag of the same name, as this section is made of vLLM's own words. */
function engineRule(entry: Entry, context: Context): readonly Finding[] {
  const name = dashed(entry.name);
  const json = isNested(entry) && !isEmpty(entry.value) ? JSON.stringify(entry.value) : undefined;
  if (json !== undefined && !isFlagOfField(name))
    return flagFindings(name, { setting: entry.setting, words: [json], authority: context.authority });
  return valueRule((said) => {
    if (isFlagOfField(name) || typeof entry.value !== 'boolean') return flagFindings(name, said);
    return flagFindings(entry.value ? name : `no-${name}`, { ...said, words: [] });
  })(entry, context);
}

function venvRule(entry: Entry, context: Context): readonly Finding[] {
  if (!isEmpty(entry.value))
    return valueRule(({ setting, words, authority }) =>
      claimOf({ field: 'spec.runtime.venv', kind: 'path' }, words, setting, authority),
    )(entry, context);
  return [
    left(entry.setting, 'it is empty, and a job does not inherit the environment it is submitted from'),
    warning(
      `${entry.setting.key} is empty: vllm must be on PATH of the compute nodes, or spec.runtime must name a virtual environment`,
      entry.setting.place,
    ),
  ];
}

/** The scripts call a precision a quantization. */
function quantizationRule(entry: Entry, context: Context): readonly Finding[] {
  return valueRule((said) => {
    const word = said.words.join(' ').toLowerCase();
    const precision = ({ bf16: 'bfloat16', fp16: 'float16', fp32: 'float32' } as const)[word] ?? word;
    if (['bfloat16', 'float16', 'float32'].includes(precision))
      return flagFindings('dtype', { ...said, words: [precision] });
    if (['none', 'null', 'false'].includes(word)) return [left(said.setting, 'the weights are taken as they are')];
    return flagFindings('quantization', { ...said, words: [word] });
  })(entry, context);
}

function logLevelRule(entry: Entry, context: Context): readonly Finding[] {
  return valueRule((said) => {
    const level = said.words
      .join(' ')
      .toUpperCase()
      .replace(/^WARN$/, 'WARNING');
    if (!['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'].includes(level))
      return [left(said.setting, 'vLLM has no such level')];
    return variableFindings('VLLM_LOGGING_LEVEL', { ...said, words: [level] });
  })(entry, context);
}

// ------------------------------------------------------------------------------------------------ models
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
};

function readModel(entry: Entry, around: Surroundings): readonly ModelReading[] {
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
