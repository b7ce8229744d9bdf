import { type Identity, jobName } from '../../../src/slurm/identity.ts';
import { identityOf, isGoing, type OurJob, recordOf, sameSlot, type Truth } from '../truth.ts';
import type { SafetyPromise } from './promise.ts';

/** How many jobs there may be, and whose. */
export const JOBS: readonly SafetyPromise[] = [
  {
    name: 'P1',
    says: 'one attempt of a replica slot lives, and it was claimed before it was submitted',
    submit(truth, identity) {
      if (recordOf(truth.written(identity.uid), identity.replica)?.attempt !== identity.attempt)
        return `attempt ${attemptText(identity)} is submitted and was not claimed`;
      const name = jobName(identity);
      const sentMs = truth.submittedMs(name);
      if (
        sentMs !== undefined &&
        truth.now() - sentMs <= truth.doubtWindowMs &&
        truth.inspect.inFlight().includes(name) &&
        // An earlier submission that landed later than anybody waits was taken for this one.
        !truth.inspect.jobs().some((job) => job.name === name && job.submitMs >= sentMs && truth.trace(job).beyondReach)
      )
        return `attempt ${attemptText(identity)} is submitted again while it may still land`;
      const other = truth
        .live()
        .find((one) => isGoing(one) && sameSlot(one.identity, identity) && isKnowable(truth, one));
      return other && `attempt ${attemptText(identity)} is submitted although job ${other.job.id} lives`;
    },
    step(truth) {
      const going = truth.live().filter((one) => isGoing(one) && isKnowable(truth, one));
      const twice = going.find((one) =>
        going.some((other) => sameSlot(one.identity, other.identity) && one.identity.attempt < other.identity.attempt),
      );
      return twice && `attempt ${attemptText(twice.identity)} lives beside a newer one`;
    },
  },
  {
    name: 'P1 width',
    says: 'no more slots have a job than there are replicas, but those being ended',
    submit(truth, identity) {
      const spec = truth.written(identity.uid)?.spec;
      const slots = new Set(
        truth
          .live()
          .filter((one) => one.identity.uid === identity.uid && isGoing(one) && isKnowable(truth, one))
          .filter((one) => !recordOf(truth.written(identity.uid), one.identity.replica)?.retired)
          .map((one) => one.identity.replica),
      );
      slots.add(identity.replica);
      return spec && slots.size > spec.replicas ? `${slots.size} slots for ${spec.replicas} replicas` : undefined;
    },
  },
  {
    name: 'P2',
    says: 'at most one job of a replica slot serves',
    step(truth) {
      const serving = truth.live().filter(({ job }) => truth.trace(job).servingSinceMs !== undefined);
      const twice = serving.find((one) =>
        serving.some(
          (other) =>
            one.job.serial < other.job.serial &&
            sameSlot(one.identity, other.identity) &&
            (one.identity.attempt === other.identity.attempt ||
              !(truth.trace(one.job).beyondReach || truth.trace(other.job).beyondReach)),
        ),
      );
      return twice && `job ${twice.job.id} is not the only one that serves replica ${twice.identity.replica}`;
    },
  },
  {
    name: 'P3',
    says: 'a job without our user, name and marker is left alone',
    cancel: (_, job) => (identityOf(job) ? undefined : `job ${job.id} (${job.name}) is cancelled and is not ours`),
  },
  {
    name: 'P4',
    says: 'no resource is gone while a job of it lives or may still land',
    step(truth) {
      const left = truth
        .live()
        .find(({ job, identity }) => truth.gone().get(identity.uid) === false && !truth.trace(job).beyondReach);
      return left && `job ${left.job.id} (${left.job.phase}) outlives its resource`;
    },
  },
];

const attemptText = ({ name, replica, attempt }: Identity): string => `${name}.r${replica}.a${attempt}`;

/** The operator could know of it: nobody hid it, and it did not come out of nowhere. */
function isKnowable(truth: Truth, { job }: OurJob): boolean {
  return !truth.staleView() && !truth.trace(job).beyondReach;
}
