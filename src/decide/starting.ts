import type { OwnJob } from './observation.ts';

/** What a running job that is not ready is at, by its own word; the reasons are those of the Ready condition. */
const STAGES = {
  starting: { reason: 'Launching', does: 'prepares its start' },
  rendezvous: { reason: 'Rendezvous', does: 'waits until all its nodes have met' },
  loading: { reason: 'Loading', does: 'loads the model' },
  compiling: { reason: 'Compiling', does: 'compiles the model' },
  warming: { reason: 'Warming', does: 'has loaded the model, and its first token is awaited' },
  ready: { reason: 'Warming', does: 'says that it is ready, and has not answered here yet' },
} as const;

export type StartingReason = (typeof STAGES)[keyof typeof STAGES]['reason'];

export function stageOf({ id, nodes, report }: OwnJob): { readonly reason: StartingReason; readonly message: string } {
  const { phase = 'starting', shards } = report;
  // What is said of an end, or of draining, is no stage of a start.
  const { reason, does } = phase in STAGES ? STAGES[phase as keyof typeof STAGES] : STAGES.starting;
  const files = phase === 'loading' && shards ? ` (${shards.done}/${shards.total} files of weights)` : '';
  return { reason, message: `job ${id} on ${nodes.join(',')} ${does}${files}` };
}
