import type { Spec } from '../api/spec.ts';

/** Environment of the engine alone, `NAME=value` each: nothing of it reaches the supervisor around it. */
export function engineEnvironment(spec: Pick<Spec, 'engine' | 'model'>): readonly string[] {
  const { path, offline } = spec.model.cache;
  return [
    ...(path === undefined ? [] : [`HF_HOME=${path}`]),
    ...(offline ? ['HF_HUB_OFFLINE=1'] : []),
    ...Object.keys(spec.engine.env)
      .sort()
      .map((name) => `${name}=${spec.engine.env[name]}`),
  ];
}
