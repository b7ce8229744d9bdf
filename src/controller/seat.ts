import type { Resource } from '../api/resource.ts';
import type { Whereabouts } from '../decide/observation.ts';
import { wantedCluster } from '../launch/places.ts';
import type { Tenancy } from '../launch/tenancy.ts';
import type { Known } from '../result.ts';
import type { NamespaceCredentials } from '../secrets/secrets.ts';
import type { SlurmError } from '../slurm/slurm.ts';
import type { TenancyRules } from './deps.ts';

/** A controller's own among all clusters that the operator has. */
export type Seat = {
  readonly cluster: string;
  /** This controller alone takes its turns. */
  isHere(resource: Resource): boolean;
  /** Nobody knows better: its jobs here are no orphans. */
  mayHaveJobs(resource: Resource): boolean;
  /** The cluster its status names is no longer in the settings: nobody can ask it. */
  lost(resource: Resource): Known<never, SlurmError> | undefined;
  whereabouts(resource: Resource, hasJobsHere: boolean): Whereabouts;
  /** Who may ask for what, by cluster. */
  tenancy(): ReadonlyMap<string, Tenancy>;
  /** Who namespaces are on the cluster it is to be on. */
  credentials(resource: Resource): NamespaceCredentials | undefined;
  /** Its status names another cluster now. */
  handedOver(resource: Resource): void;
};

/** What the others know of a cluster. */
export type Neighbour = {
  readonly tenancy?: TenancyRules | undefined;
  readonly credentials?: NamespaceCredentials | undefined;
  answers(): boolean;
  /** Jobs of the resource live there, by the last listing that was believed. */
  shows(resource: Resource): boolean;
  wake(resource: Resource): void;
};

/** @param neighbours every cluster of the settings by its name, the default first, this one included */
export function seatAmong(cluster: string, neighbours: ReadonlyMap<string, Neighbour>): Seat {
  const first = (): string | undefined => neighbours.keys().next().value;
  const homeOf = ({ status }: Resource): string | undefined =>
    status.cluster !== undefined && neighbours.has(status.cluster) ? status.cluster : first();
  const isLost = ({ status }: Resource): boolean => status.cluster !== undefined && !neighbours.has(status.cluster);
  return {
    cluster,
    isHere: (resource) => homeOf(resource) === cluster,
    mayHaveJobs: (resource) =>
      resource.status.cluster === undefined || resource.status.cluster === cluster || isLost(resource),
    lost(resource) {
      if (!isLost(resource)) return undefined;
      const names = [...neighbours.keys()].join(', ');
      const message = `its jobs are on cluster ${resource.status.cluster}, which is none of the operator's (${names})`;
      return { known: false, why: { kind: 'unreachable', message }, sinceMs: 0 };
    },
    whereabouts(resource, hasJobsHere) {
      const isNamed = resource.status.cluster !== undefined;
      const others = [...neighbours].filter(([name]) => name !== cluster);
      return {
        here: cluster,
        recorded: isLost(resource) ? resource.status.cluster : neighbours.size === 1 ? undefined : cluster,
        clusters: new Map([...neighbours].map(([name, neighbour]) => [name, neighbour.answers()])),
        foundOn: isNamed || hasJobsHere ? undefined : others.find(([, other]) => other.shows(resource))?.[0],
      };
    },
    tenancy: () =>
      new Map([...neighbours].flatMap(([name, { tenancy }]) => (tenancy ? [[name, tenancy.current()] as const] : []))),
    credentials: (resource) =>
      (neighbours.get(wantedCluster(resource) ?? cluster) ?? neighbours.get(cluster))?.credentials,
    handedOver: (resource) => neighbours.get(homeOf(resource) ?? '')?.wake(resource),
  };
}
