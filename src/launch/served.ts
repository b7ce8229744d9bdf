import type { Spec } from '../api/spec.ts';

/** The name clients ask for: the spec's, else the hub's `org/repo`, else the last part of the path. */
export function servedName(spec: Pick<Spec, 'model'>): string {
  return spec.model.name ?? defaultName(spec.model.uri);
}

/** Every name the endpoint answers to except its own; the first is the one it signs its answers with. */
export function servedNames(spec: Pick<Spec, 'model'>): readonly string[] {
  return [servedName(spec), ...spec.model.aliases];
}

/**
 * A model name that only this very job serves. Ports and job ids are reused and a rank on a lost node may answer
 * later: an endpoint is believed only when `/v1/models` lists this. Nothing of the spec is in it: a job keeps its name
 * when an edit gives the model another, and until it is replaced it must be known.
 */
export function ownModelName(jobId: string): string {
  return `vllm-slurm--job-${jobId}`;
}

function defaultName(uri: string): string {
  if (uri.startsWith('hf://')) return uri.slice('hf://'.length);
  return uri.slice('file://'.length).split('/').filter(Boolean).at(-1) ?? '';
}
