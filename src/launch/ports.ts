import type { Spec } from '../api/spec.ts';
import type { PortRange, Site } from './site.ts';

/** Ports an attempt may answer on, both ends included. What a job says of its port is checked against it. */
export function allowedPorts(spec: Pick<Spec, 'endpoint'>, site: Pick<Site, 'portRange'>): PortRange {
  const { port, portRange } = spec.endpoint;
  if (port !== undefined) return { low: port, high: port };
  return (portRange === undefined ? undefined : parsePortRange(portRange)) ?? site.portRange;
}

/** Ports the ranks of one replica may meet at. Nobody outside its nodes needs to know them. */
export function rendezvousPorts({ launcher }: Pick<Spec, 'launcher'>, site: Pick<Site, 'portRange'>): PortRange {
  const { portRange } = launcher.rendezvous;
  return (portRange === undefined ? undefined : parsePortRange(portRange)) ?? site.portRange;
}

/** `LOW-HIGH`, unprivileged and in order; undefined when it is not. */
export function parsePortRange(text: string): PortRange | undefined {
  const [low = 0, high = 0] = text.split('-').map(Number);
  return low >= 1024 && low <= high && high <= 65_535 ? { low, high } : undefined;
}
