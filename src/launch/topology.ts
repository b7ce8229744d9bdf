import type { Spec } from '../api/spec.ts';

type Shape = Pick<Spec, 'parallelism' | 'resources'>;

/** How a replica's ranks lie on its nodes. `docs/adr/0004-ranks-over-nodes.md` has the reasons. */
export type Topology = {
  readonly nodes: number;
  /** Ranks one node can take: its GPUs. Without GPUs nobody knows; one is what the default split puts there. */
  readonly slotsPerNode: number;
  readonly tensor: number;
  readonly pipeline: number;
  readonly data: number;
};

export function topologyOf(spec: Shape): Topology {
  const { nodes, gpusPerNode } = spec.resources;
  const pipeline = spec.parallelism.pipeline ?? defaultStages(spec);
  const { data } = spec.parallelism;
  const slotsPerNode = Math.max(1, gpusPerNode);
  const tensor = spec.parallelism.tensor ?? Math.max(1, Math.floor((nodes * slotsPerNode) / (pipeline * data)));
  return { nodes, slotsPerNode, tensor, pipeline, data };
}

/**
 * Pipeline stages where the spec names none: one a node, as far as there are GPUs for it. Stages exchange little and
 * tensor ranks much, so tensor parallelism stays inside a node unless it is asked for. One stage with data parallelism,
 * whose copies each stay on a node; and without GPUs, as vLLM's engine on CPUs dies at its first request otherwise.
 */
export function defaultStages({ parallelism, resources }: Shape): number {
  const { nodes, gpusPerNode } = resources;
  if (gpusPerNode === 0 || parallelism.data > 1) return 1;
  const fitting = Math.floor((nodes * gpusPerNode) / (parallelism.tensor ?? gpusPerNode));
  return Math.max(1, Math.min(nodes, fitting));
}
