import type { Spec } from '../api/spec.ts';

type Settings = Pick<Spec, 'model' | 'launcher'>;
type Variable = {
  readonly name: string;
  readonly field: string;
  readonly of: (spec: Settings) => string | number | undefined;
};

/** What fields of the spec say to the engine by its environment; undefined where a field is left out. */
export const FIELD_VARIABLES: readonly Variable[] = [
  { name: 'HF_HOME', field: 'spec.model.cache.path', of: ({ model }) => model.cache.path },
  {
    name: 'HF_HUB_OFFLINE',
    field: 'spec.model.cache.offline',
    of: ({ model }) => (model.cache.offline ? 1 : undefined),
  },
  // Source: NCCL's list of environment variables.
  {
    name: 'NCCL_SOCKET_IFNAME',
    field: 'spec.launcher.nccl.socketIfname',
    of: ({ launcher }) => launcher.nccl.socketIfname,
  },
  { name: 'NCCL_BUFFSIZE', field: 'spec.launcher.nccl.blocksize', of: ({ launcher }) => launcher.nccl.blocksize },
  { name: 'NCCL_IB_TIMEOUT', field: 'spec.launcher.nccl.ibTimeout', of: ({ launcher }) => launcher.nccl.ibTimeout },
  { name: 'NCCL_DEBUG', field: 'spec.launcher.nccl.debug', of: ({ launcher }) => launcher.nccl.debug },
];

/**
 * Environment of the engine alone, `NAME=value` each: nothing of it reaches the supervisor around it. No secret is
 * among it: the nodes read those from files.
 */
export function engineEnvironment(spec: Pick<Spec, 'engine' | 'probes'> & Settings): readonly string[] {
  const fields = FIELD_VARIABLES.map(({ name, of }) => [name, of(spec)] as const);
  const users = Object.keys(spec.engine.env)
    .sort()
    .map((name) => [name, spec.engine.env[name]] as const);
  return [...standing(spec), ...fields, ...users].flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
}

/** First, so that the user's word counts. vLLM's own limit for its start is ten minutes, whatever the weights weigh. */
function standing({ probes }: Pick<Spec, 'probes'>): readonly (readonly [name: string, value: number])[] {
  return [['VLLM_ENGINE_READY_TIMEOUT_S', probes.startup.timeoutSeconds]];
}
