import { isDeepStrictEqual } from 'node:util';
import type { Resource } from '../api/resource.ts';
import type { Spec } from '../api/spec.ts';
import type { PlaceName } from '../api/status.ts';

export type Place = NonNullable<Spec['slurm']['places']>[number];

/** The spec as if it named this place alone: all that makes a job of it sees one cluster and its partitions. */
export function specAt(spec: Spec, { cluster, partitions }: Place): Spec {
  const { cluster: _, ...slurm } = spec.slurm;
  return { ...spec, slurm: { ...slurm, partitions, ...(cluster !== undefined && { cluster }) } };
}

/** The cluster its next job is to be on, as far as the spec or the choice before says; undefined: wherever it is. */
export function wantedCluster({ spec, status }: Pick<Resource, 'spec' | 'status'>): string | undefined {
  return spec?.slurm.places ? status.place?.cluster : spec?.slurm.cluster;
}

/** One spec a place, the best first; without places the spec itself. */
export function specsByPlace(spec: Spec): readonly [Spec, ...Spec[]] {
  const [first, ...others] = (spec.slurm.places ?? []).map((place) => specAt(spec, place));
  return first ? [first, ...others] : [spec];
}

/** How long a job may wait there is no part of its name. */
export function nameOf({ cluster, partitions }: Place): PlaceName {
  return { ...(cluster !== undefined && { cluster }), ...(partitions.length > 0 && { partitions }) };
}

export function isNamed(place: Place, name: PlaceName | undefined): boolean {
  return (
    name !== undefined && isDeepStrictEqual([place.cluster, place.partitions], [name.cluster, name.partitions ?? []])
  );
}

/** `cluster alps, partition gpu`; one that names neither is whatever the settings say. */
export function placeText({ cluster, partitions = [] }: PlaceName): string {
  const said = [
    ...(cluster === undefined ? [] : [`cluster ${cluster}`]),
    ...(partitions.length > 0 ? [`partition${partitions.length === 1 ? '' : 's'} ${partitions.join(',')}`] : []),
  ];
  return said.length > 0 ? said.join(', ') : 'the default partition';
}
