import type { Observation } from './observation.ts';

/** Names the cluster where there are several, with a blank before it. */
export function ofCluster({ whereabouts: { recorded } }: Pick<Observation, 'whereabouts'>): string {
  return recorded === undefined ? '' : ` of cluster ${recorded}`;
}
