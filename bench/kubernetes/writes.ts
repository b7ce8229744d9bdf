import { OPERATOR_USER } from '../../test/live/kube-bed/install.ts';
import type { KubeGround } from './ground.ts';

/** How often the operator wrote what, as `put vllm-slurm.dev/vllmdeployments/status`. */
export type Writes = Readonly<Record<string, number>>;

const READS = ['get', 'list', 'watch'];
/** Renewed as long as it is held, by one object of the whole operator. */
const LEASES = 'coordination.k8s.io/leases';

/** From the API server's audit log, since it began; refused ones as well. */
export async function writesOfOperator({ kube }: KubeGround): Promise<Writes> {
  const requests = await kube.requestsOf(OPERATOR_USER);
  const writes = requests.filter(({ verb, resource }) => !READS.includes(verb) && resource !== LEASES);
  const kinds = Map.groupBy(writes, ({ verb, resource }) => `${verb} ${resource}`);
  return Object.fromEntries(Array.from(kinds, ([kind, all]) => [kind, all.length]));
}

export function writesSince(before: Writes, after: Writes): Writes {
  const kinds = Object.entries(after).map(([kind, count]) => [kind, count - (before[kind] ?? 0)] as const);
  return Object.fromEntries(kinds.filter(([, count]) => count > 0));
}

export const STATUS_WRITE = 'update vllm-slurm.dev/vllmdeployments/status';
export const EVENT_WRITE = 'create events.k8s.io/events';

export const totalOf = (writes: Writes): number => Object.values(writes).reduce((sum, count) => sum + count, 0);
