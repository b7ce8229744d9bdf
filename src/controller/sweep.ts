import type { Resource } from '../api/resource.ts';
import type { OwnJob } from '../decide/observation.ts';
import { isCancellable } from '../decide/replica.ts';
import { isOfUser } from '../decide/users.ts';
import { refOf } from '../slurm/job.ts';
import type { SlurmLimit } from './act.ts';
import { asItsUser } from './credentials.ts';
import type { Deps } from './deps.ts';
import type { Fleet } from './snapshot.ts';

/**
 * The net below the finalizer: jobs of this store whose resource (uid) does not exist. They are cancelled when two
 * sweeps in a row found them, each with a complete listing taken before a complete list of resources.
 * @param suspects `id@submit` of the sweep before
 * @returns those of this sweep
 */
export async function sweep(
  fleet: Fleet,
  suspects: ReadonlySet<string>,
  deps: Deps,
  limit: SlurmLimit,
): Promise<ReadonlySet<string>> {
  const resources = await deps.store.list();
  if (!resources.ok) return new Set();
  const mayHaveJobs = (resource: Resource): boolean => deps.seat?.mayHaveJobs(resource) ?? true;
  const uids = new Set(resources.value.filter(mayHaveJobs).map((resource) => resource.uid));
  const unowned = [...fleet.jobs.values()].flat().filter((job) => isCancellable(job) && !uids.has(job.identity.uid));
  // A resource that cannot be read is in no list, and is not gone for that; nor is one that came just after it.
  const gone = await Promise.all(
    unowned.map(async ({ identity }) => {
      const found = await deps.store.get(identity);
      return found.ok && !(found.value?.uid === identity.uid && mayHaveJobs(found.value));
    }),
  );
  const orphans = unowned.filter((_, at) => gone[at]);
  for (const job of orphans) {
    const { namespace } = job.identity;
    const cancellation = await asItsUser(refOf(job), namespace, deps);
    const recorded = resources.value.filter(({ key }) => key.namespace === namespace);
    const users = recorded.flatMap(({ status }) => status.users ?? []);
    const isKnown = isOfUser(job, fleet.user, [...users, deps.credentials?.lastUser(namespace) ?? '']);
    const about = { job: job.id, name: job.name, user: job.user };
    if (!suspects.has(nameOf(job))) {
      if (!isKnown)
        deps.log.warn(
          about,
          'a job that seems to be of a deployment no longer there is left: anybody may have named it so',
        );
      continue;
    }
    if (!isKnown) continue;
    const result = await limit(() => deps.slurm.cancel(cancellation), 'cancel');
    deps.log.warn(
      { ...about, ok: result.ok },
      'cancelled a job whose deployment no longer exists, or is on another cluster',
    );
  }
  return new Set(orphans.map(nameOf));
}

const nameOf = (job: OwnJob): string => `${job.id}@${job.submitMs}`;
