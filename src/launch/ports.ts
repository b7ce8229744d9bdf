import type { Spec } from '../api/spec.ts';
import type { PortRange, Site } from './site.ts';

/** The ports an endpoint of this deployment may use; a fixed port is a range of one. */
export function portRangeOf(spec: Spec, site: Pick<Site, 'portRange'>): PortRange {
  if (spec.endpoint.port !== undefined) return { low: spec.endpoint.port, high: spec.endpoint.port };
  if (spec.endpoint.portRange === undefined) return site.portRange;
  const [low = 0, high = 0] = spec.endpoint.portRange.split('-').map(Number);
  return { low, high };
}
