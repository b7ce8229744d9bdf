import path from 'node:path';
import {
  type Context,
  dashed,
  guessRule,
  isEmpty,
  isNested,
  leftRule,
  type Rule,
  valueRule,
} from './entry-findings.ts';
import { type Finding, left, warning } from './finding.ts';
import { FREE_ARGUMENTS } from './free-arguments.ts';
import type { Surroundings } from './reading.ts';
import { claimOf, flagFindings, isFlagOfField, optionFindings, type Said, variableFindings } from './targets.ts';
import { readValue } from './values.ts';
import type { Entry } from './yaml-entries.ts';

/** A part of the config that is for every model. */
export type Section = {
  readonly rules: (around: Surroundings) => Readonly<Record<string, Rule>>;
  readonly otherwise: Rule;
  /** A section may be one value. */
  readonly alone?: Rule;
};

export const NO_FIELD = 'no field says this; if vLLM has a flag for it, write that into spec.engine.args';

export const flag = (name: string): Rule => valueRule((said) => flagFindings(name, said));
export const option = (name: string): Rule => valueRule((said) => optionFindings(name, said));
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

export const SECTIONS: Readonly<Record<string, Section>> = {
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
    rules: () => ({ max_model_len_default: yielding(flag('max-model-len')), ...FREE_ARGUMENTS }),
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
export function quantizationRule(entry: Entry, context: Context): readonly Finding[] {
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
