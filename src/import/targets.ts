import { Spec } from '../api/spec.ts';
import { whyNoEngineArgument } from '../launch/engine-options.ts';
import { whyNoEngineVariable } from '../launch/engine-variables.ts';
import { FIELD_VARIABLES } from '../launch/environment.ts';
import { whyNoSbatchOption } from '../launch/sbatch-options.ts';
import { type Authority, type Claim, type Finding, left, type Setting, warning } from './finding.ts';
import { type Kind, readValue } from './values.ts';

/** A field that takes the setting's text, read as `kind`. */
type Target = { readonly field: string; readonly kind: Kind };
/** What a source says, its words as a shell would have them. */
export type Said = { readonly setting: Setting; readonly words: readonly string[]; readonly authority: Authority };

const to = (field: string, kind: Kind): Target => ({ field: `spec.${field}`, kind });

/** Flags of `vllm serve` that have a field. Source: `vllm serve --help=all` of 0.15.1 and 0.32.0. */
const FLAGS: Readonly<Record<string, Target>> = {
  model: to('model.uri', 'model'),
  'model-tag': to('model.uri', 'model'),
  revision: to('model.revision', 'text'),
  'served-model-name': to('model.names', 'words'),
  'tensor-parallel-size': to('parallelism.tensor', 'integer'),
  'pipeline-parallel-size': to('parallelism.pipeline', 'integer'),
  'data-parallel-size': to('parallelism.data', 'integer'),
  'enable-expert-parallel': to('parallelism.expert', 'switch'),
  'max-model-len': to('engine.maxModelLen', 'tokens'),
  'gpu-memory-utilization': to('engine.gpuMemoryUtilization', 'number'),
  'max-num-seqs': to('engine.maxNumSeqs', 'integer'),
  dtype: to('engine.dtype', 'text'),
  quantization: to('engine.quantization', 'text'),
  'kv-cache-dtype': to('engine.kvCacheDtype', 'text'),
  seed: to('engine.seed', 'integer'),
  'tool-call-parser': to('engine.toolCallParser', 'text'),
  'reasoning-parser': to('engine.reasoningParser', 'text'),
  'trust-remote-code': to('engine.trustRemoteCode', 'switch'),
  port: to('endpoint.port', 'integer'),
};
const SHORT_FLAGS: Readonly<Record<string, string>> = {
  '-tp': 'tensor-parallel-size',
  '-pp': 'pipeline-parallel-size',
  '-dp': 'data-parallel-size',
  '-ep': 'enable-expert-parallel',
  '-q': 'quantization',
};
const LEFT_FLAGS: Readonly<Record<string, string>> = {
  host: 'the endpoint listens at the address SLURM has for its node',
  'disable-log-requests': 'vLLM after 0.15 refuses it, and logs no requests unless it is asked to',
  'distributed-executor-backend': 'spec.launcher.type says how ranks are started, and torchrun needs no other word',
};

/** Options of sbatch that have a field; `gres` and the counts of GPUs are read by `gpus.ts`. */
const OPTIONS: Readonly<Record<string, Target>> = {
  nodes: to('resources.nodes', 'integer'),
  'cpus-per-task': to('resources.cpusPerTask', 'integer'),
  mem: to('resources.memory', 'memory'),
  'mem-per-gpu': to('resources.memoryPerGpu', 'memory'),
  partition: to('slurm.partitions', 'words'),
  account: to('slurm.account', 'text'),
  qos: to('slurm.qos', 'text'),
  time: to('slurm.time', 'text'),
  reservation: to('slurm.reservation', 'text'),
  constraint: to('slurm.constraint', 'text'),
  exclude: to('slurm.exclude', 'nodes'),
  nodelist: to('slurm.nodelist', 'nodes'),
  licenses: to('slurm.licenses', 'text'),
};

const VARIABLE_KINDS: Readonly<Record<string, Kind>> = {
  HF_HOME: 'path',
  HF_HUB_OFFLINE: 'switch',
  NCCL_BUFFSIZE: 'integer',
  NCCL_IB_TIMEOUT: 'integer',
};

/** Variables the operator gives a job itself or must not, first match counts. */
const LEFT_VARIABLES: readonly { readonly name: RegExp; readonly why: string }[] = [
  {
    name: /^(MASTER_(ADDR|PORT)|(LOCAL_|NODE_|GROUP_)?RANK|(LOCAL_)?WORLD_SIZE|NNODES|NPROC_PER_NODE|VLLM_HOST_IP)$/,
    why: 'the operator gives each rank its place and finds the ports: spec.launcher.rendezvous',
  },
  { name: /^CUDA_VISIBLE_DEVICES$/, why: 'SLURM gives the job its GPUs: spec.resources.gpusPerNode' },
  { name: /^VLLM_CONFIG_/, why: 'vLLM knows no such variable: it carried the config file to the job script' },
  { name: /^(VLLM_)?(HOST|PORT)$/, why: 'the endpoint is found by `vllm-slurm get`' },
  { name: /^(PATH|PYTHONPATH|VIRTUAL_ENV)$/, why: 'spec.runtime says what the engine runs in' },
];

/** A flag of vLLM's, by its name without dashes. */
export function flagFindings(name: string, { setting, words, authority }: Said): readonly Finding[] {
  const target = FLAGS[name];
  const negative = name.startsWith('no-') ? FLAGS[name.slice('no-'.length)] : undefined;
  if (negative?.kind === 'switch') return claimOf(negative, ['false'], setting, authority);
  if (target) {
    const given = words.length === 0 && target.kind === 'switch' ? ['true'] : words;
    return claimOf(target, given, setting, authority);
  }
  const flag = `--${name}`;
  const why = LEFT_FLAGS[name] ?? whyNoEngineArgument(flag, 'vllm') ?? words.map(refusedWord).find((no) => no);
  if (why !== undefined) return [left(setting, why)];
  return [{ kind: 'claim', setting, field: `spec.engine.args.${flag}`, value: [flag, ...words], authority }];
}

/** `--Max_Num_Seqs` → `max-num-seqs`, `-tp` → `tensor-parallel-size`; undefined for a short one nobody here knows. */
export function flagName(word: string): string | undefined {
  return word.startsWith('--') ? word.slice(2).replaceAll('_', '-') : SHORT_FLAGS[word];
}

/** How the first words behind a flag are read; undefined for flags that are passed on as they are. */
export const kindOfFlag = (name: string): Kind | undefined => FLAGS[name]?.kind;
export const isFlagOfField = (name: string): boolean => name in FLAGS;
export const isOptionOfField = (name: string): boolean => name in OPTIONS;

/** An option of sbatch's, by its long name; no words for one that stands alone. */
export function optionFindings(name: string, { setting, words, authority }: Said): readonly Finding[] {
  const target = OPTIONS[name];
  if (target) return claimOf(target, words, setting, authority);
  const value = words.join(',');
  const option = value === '' ? `--${name}` : `--${name}=${value}`;
  const why = whyNoSbatchOption(option);
  if (why !== undefined) return [left(setting, why)];
  if (!Spec.shape.slurm.unwrap().shape.extraArgs.unwrap().element.safeParse(option).success)
    return [left(setting, 'spec.slurm.extraArgs takes no value with blanks, quotes or shell signs')];
  return [{ kind: 'claim', setting, field: `spec.slurm.extraArgs.--${name}`, value: [option], authority }];
}

/** A variable of the engine's environment. */
export function variableFindings(name: string, { setting, words, authority }: Said): readonly Finding[] {
  const text = words.join(' ');
  if (name === 'NCCL_IB_DISABLE' && text !== '0')
    return [
      left(setting, 'InfiniBand is never forced off, as ranks crawl without it'),
      warning(
        `${setting.key} forced InfiniBand off, and is left out. Where the fabric is broken, set spec.engine.env.NCCL_IB_DISABLE by hand`,
        setting.place,
      ),
    ];
  const field = FIELD_VARIABLES.find((one) => one.name === name)?.field;
  if (field) return claimOf({ field, kind: VARIABLE_KINDS[name] ?? 'text' }, words, setting, authority);
  const why = LEFT_VARIABLES.find((row) => row.name.test(name))?.why ?? whyNoEngineVariable(name, BLANK);
  if (why !== undefined) return [left(setting, why)];
  return [{ kind: 'claim', setting, field: `spec.engine.env.${name}`, value: text, authority }];
}

export function claimOf(
  { field, kind }: Target,
  words: readonly string[],
  setting: Setting,
  authority: Authority,
): readonly Finding[] {
  const read = readValue(kind, words.join(' '));
  if (!read.ok) return [{ ...left(setting, `${read.error}, not ${JSON.stringify(words.join(' '))}`), isWrong: true }];
  const claim: Claim = { kind: 'claim', setting, field, value: read.value, authority };
  return [claim];
}

/** A value that looks like a flag is one to argparse. */
const refusedWord = (word: string): string | undefined => whyNoEngineArgument(word, 'vllm');

/** Which variables are refused does not depend on it: those that a field may set are asked for before. */
const BLANK = Spec.parse({ model: { uri: 'hf://a/b' } });
