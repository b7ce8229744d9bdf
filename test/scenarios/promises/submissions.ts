import { type Identity, jobName } from '../../../src/slurm/identity.ts';
import { isHealthy, type OurJob, recordOf, type Truth } from '../truth.ts';
import type { SafetyPromise } from './promise.ts';

/** What may be asked of SLURM, and how often. */
export const SUBMISSIONS: readonly SafetyPromise[] = [
  {
    name: 'P8',
    says: 'nothing is rendered from an older generation than the one observed',
    submit(truth, identity) {
      const resource = truth.written(identity.uid);
      if (!resource || resource.status.observedGeneration !== resource.generation) return undefined;
      return identity.generation < resource.specGeneration
        ? `generation ${identity.generation} is submitted, ${resource.specGeneration} was observed`
        : undefined;
    },
    write(truth, before, after) {
      if (!after.spec || after.spec.suspend || truth.connectedSinceMs() > truth.now()) return undefined;
      const records = after.status.records ?? [];
      const wasReady = (replica: number) =>
        before.status.endpoints?.some((one) => one.replica === replica && one.ready) ?? false;
      const lost = records.find(
        ({ retired, replica }) =>
          retired && wasReady(replica) && !recordOf(before, replica)?.retired && isServed(truth, after.uid, replica),
      );
      const worse = records.find(
        ({ retired, replica }) => !retired && !wasReady(replica) && !isAnswering(truth, after.uid, replica),
      );
      return lost && worse && `replica ${lost.replica} serves and is given up before ${worse.replica}`;
    },
  },
  {
    name: 'P10',
    says: 'failures that spend the budget end the retries; no replica is submitted, and SLURM not asked, in a tight loop',
    list(truth) {
      const lately = truth.calls('listJobs').filter((atMs) => atMs > truth.now() - MINUTE_MS).length;
      return lately > LISTINGS_A_MINUTE ? `${lately} listings in a minute` : undefined;
    },
    submit(truth, identity) {
      const lately = truth.calls('submit', jobName(identity)).filter((atMs) => atMs > truth.now() - MINUTE_MS).length;
      if (lately > SUBMISSIONS_A_MINUTE)
        return `attempt ${attemptText(identity)} is submitted for the ${lately + 1}th time`;
      const restart = truth.written(identity.uid)?.spec?.restartPolicy;
      if (!restart) return undefined;
      const since = truth.now() - restart.windowSeconds * 1000;
      const spent = truth.spent(identity.uid, identity.replica).filter((atMs) => atMs > since).length;
      return spent > restart.maxRestarts
        ? `attempt ${attemptText(identity)} is submitted after ${spent} failures, ${restart.maxRestarts} are allowed`
        : undefined;
    },
  },
  {
    name: 'P11',
    says: 'suspend and delete win over create',
    submit(truth, identity) {
      const resource = truth.written(identity.uid);
      if (!resource) return `attempt ${attemptText(identity)} is submitted for a resource nobody wrote`;
      if (resource.deletingSinceMs !== undefined) return `${resource.key.name} is being deleted and is submitted`;
      return resource.spec?.suspend ? `${resource.key.name} is suspended and is submitted` : undefined;
    },
  },
  {
    name: 'rule 6',
    says: 'exclusions are capped and leave a node to run on',
    submit(truth, identity, excluded) {
      const rule = truth.written(identity.uid)?.spec?.restartPolicy.excludeFailedNodes;
      if (rule && excluded.length > rule.max) return `${excluded.length} nodes are excluded, ${rule.max} are allowed`;
      const nodes = truth.inspect.nodes();
      return nodes.every((node) => excluded.includes(node.name)) ? 'every node is excluded' : undefined;
    },
  },
];

const MINUTE_MS = 60_000;
/** One a second, and those of operators that died and began again. */
const LISTINGS_A_MINUTE = 70;
/** Of one attempt: what does not arrive or is refused comes again after seconds. */
const SUBMISSIONS_A_MINUTE = 8;

const attemptText = ({ name, replica, attempt }: Identity): string => `${name}.r${replica}.a${attempt}`;

function isServed(truth: Truth, uid: string, replica: number): boolean {
  return truth.live().some((one) => isOf(one, uid, replica) && isHealthy(truth, one));
}

function isAnswering(truth: Truth, uid: string, replica: number): boolean {
  return truth.live().some((one) => isOf(one, uid, replica) && truth.trace(one.job).servingSinceMs !== undefined);
}

const isOf = ({ identity }: OurJob, uid: string, replica: number): boolean =>
  identity.uid === uid && identity.replica === replica;
