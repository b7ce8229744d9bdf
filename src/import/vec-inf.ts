import path from 'node:path';
import { type Context, isEmpty, leftRule, type Rule, valueRule } from './entry-findings.ts';
import { type Finding, left, problem, warning } from './finding.ts';
import type { ModelReading, Reading, Surroundings } from './reading.ts';
import { claimOf, flagFindings, flagName, isFlagOfField, optionFindings, variableFindings } from './targets.ts';
import type { Entry } from './yaml-entries.ts';

/** Where vec-inf looks for weights when an entry does not say. Source: `default_args` of its `environment.yaml`. */
const WEIGHTS = '/model-weights';

/** A `models.yaml` of vec-inf, or a single entry of one. Source: `ModelConfig` in `vec_inf/client/config.py`. */
export function readVecInf(entries: readonly Entry[], around: Surroundings): Reading {
  const models = entries.find(({ name }) => name === 'models');
  const strangers = models ? entries.filter((entry) => entry !== models) : [];
  return {
    format: 'vec-inf',
    shared: strangers.flatMap((entry) => leftRule('vec-inf has no such section')(entry, contextOf(around))),
    models: (models?.entries ?? entries).map((entry) => readModel(entry, around)),
  };
}

/** Whether a mapping of models is one of vec-inf's. */
export function isVecInf(entries: readonly Entry[]): boolean {
  const models = entries.find(({ name }) => name === 'models')?.entries ?? entries;
  return models.some((model) => model.entries.some(({ name }) => name === 'model_family' || name === 'vllm_args'));
}

const contextOf = ({ shell }: Surroundings): Context => ({ authority: 'model', shell });

const option = (name: string): Rule => valueRule((said) => optionFindings(name, said));
const LABEL = leftRule('it is for people, and says nothing to SLURM or vLLM');

const RULES: Readonly<Record<string, Rule>> = {
  model_family: LABEL,
  model_variant: LABEL,
  model_type: typeRule,
  vocab_size: LABEL,
  gpus_per_node: field('spec.resources.gpusPerNode', 'integer'),
  num_nodes: field('spec.resources.nodes', 'integer'),
  cpus_per_task: option('cpus-per-task'),
  mem_per_node: option('mem'),
  resource_type: field('spec.resources.gpuType', 'text'),
  account: option('account'),
  qos: option('qos'),
  time: option('time'),
  partition: option('partition'),
  exclude: option('exclude'),
  nodelist: option('nodelist'),
  hf_model: valueRule((said) => flagFindings('model', said)),
  venv: venvRule,
  work_dir: leftRule('jobs run in no directory of their own'),
  log_dir: leftRule('logs are where the setting logDirectory says, for all deployments'),
  bind: leftRule('mounts belong to a container: spec.runtime.mounts, beside spec.runtime.image'),
};

function field(name: string, kind: 'integer' | 'text'): Rule {
  return valueRule(({ setting, words, authority }) => claimOf({ field: name, kind }, words, setting, authority));
}

function readModel(entry: Entry, around: Surroundings): ModelReading {
  const context = contextOf(around);
  const { setting, name } = entry;
  if (entry.entries.length === 0)
    return { setting, name, findings: [problem(setting.place, `${setting.key} must hold its settings below it`)] };
  const findings = entry.entries.flatMap((one): readonly Finding[] => {
    if (one.name === 'vllm_args') return argumentFindings(one, context);
    if (one.name === 'env') return environmentFindings(one, context);
    if (one.name === 'model_weights_parent_dir') return weightsFindings(one, entry, context);
    return (RULES[one.name] ?? leftRule('vec-inf has no such key'))(one, context);
  });
  return { setting, name, findings: [...findings, ...nameFindings(entry)] };
}

/** Clients ask for the model by the name of its entry, and its weights lie in a directory of that name. */
function nameFindings({ setting, name, entries }: Entry): readonly Finding[] {
  const claim = { kind: 'claim', setting, authority: 'model' } as const;
  const names: Finding = { ...claim, field: 'spec.model.names', value: [name] };
  const isPlaced = entries.some(
    (one) => ['hf_model', 'model_weights_parent_dir'].includes(one.name) && !isEmpty(one.value),
  );
  if (isPlaced) return [names];
  return [
    names,
    { ...claim, field: 'spec.model.uri', value: `file://${WEIGHTS}/${name}` },
    warning(
      `${setting.key} says nothing of where its weights are: taken for ${WEIGHTS}/${name}, as vec-inf does by default`,
      setting.place,
    ),
  ];
}

function weightsFindings(entry: Entry, model: Entry, context: Context): readonly Finding[] {
  const hub = model.entries.find(({ name }) => name === 'hf_model');
  if (hub && !isEmpty(hub.value)) return leftRule('hf_model names the model on the hub')(entry, context);
  return valueRule((said) =>
    flagFindings('model', { ...said, words: said.words.map((word) => path.posix.join(word, model.name)) }),
  )(entry, context);
}

function argumentFindings(entry: Entry, context: Context): readonly Finding[] {
  if (entry.entries.length === 0) return leftRule('it must be flags with a value each')(entry, context);
  return entry.entries.flatMap((one): readonly Finding[] => {
    const name = flagName(one.name) ?? one.name.replace(/^-+/, '');
    if (one.entries.length > 0)
      return flagFindings(name, { setting: one.setting, words: [JSON.stringify(one.value)], authority: 'model' });
    // An empty one stands alone.
    if (isEmpty(one.value) || (typeof one.value === 'boolean' && !isFlagOfField(name)))
      return flagFindings(one.value === false ? `no-${name}` : name, {
        setting: one.setting,
        words: [],
        authority: 'model',
      });
    return valueRule((said) => flagFindings(name, said))(one, context);
  });
}

function environmentFindings(entry: Entry, context: Context): readonly Finding[] {
  if (entry.entries.length === 0) return leftRule('it must be variables with a value each')(entry, context);
  return entry.entries.flatMap((one) => valueRule((said) => variableFindings(one.name, said))(one, context));
}

function venvRule(entry: Entry, context: Context): readonly Finding[] {
  return valueRule((said) => {
    if (said.words.join().startsWith('/'))
      return claimOf({ field: 'spec.runtime.venv', kind: 'path' }, said.words, said.setting, said.authority);
    return [
      left(
        said.setting,
        'name what the engine runs in: for a container spec.runtime.type, spec.runtime.image and spec.runtime.mounts',
      ),
    ];
  })(entry, context);
}

function typeRule(entry: Entry, context: Context): readonly Finding[] {
  const findings = leftRule('vLLM finds out from the model itself what it is')(entry, context);
  if (!['Text_Embedding', 'Reward_Modeling'].includes(String(entry.value))) return findings;
  return [
    ...findings,
    warning(
      `${entry.setting.key} is ${entry.value}: an endpoint is Ready when it has answered a completion, which such a model does not`,
      entry.setting.place,
    ),
  ];
}
