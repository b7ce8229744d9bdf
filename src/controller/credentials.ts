import type { Resource } from '../api/resource.ts';
import type { SlurmView, SubmitsAs } from '../decide/observation.ts';
import { concludesFromAbsence, hiddenJob } from '../decide/users.ts';
import { err, ok, type Result } from '../result.ts';
import type { NamespaceCredentials } from '../secrets/secrets.ts';
import type { Job, JobRef } from '../slurm/job.ts';
import type { Cancellation, Credentials, SlurmError } from '../slurm/slurm.ts';
import type { Deps } from './deps.ts';
import { ownJobOf } from './snapshot.ts';

type Ports = Pick<Deps, 'credentials'>;

export async function whoSubmits(namespace: string, credentials: NamespaceCredentials | undefined): Promise<SubmitsAs> {
  if (!credentials) return { kind: 'itself' };
  const known = await credentials.of(namespace);
  if (!known.ok) return { kind: 'nobody', problem: known.error };
  if (!known.value) return { kind: 'itself' };
  const { user, source, endsMs, endsSoon } = known.value;
  return { kind: 'user', user, source, ...(endsSoon && endsMs !== undefined && { endsMs }) };
}

/** @param user as decided; a namespace that is another one by now is decided on anew */
export async function credentialsOf(
  user: string | undefined,
  namespace: string,
  { credentials }: Ports,
): Promise<Result<{ readonly as?: Credentials }, SlurmError>> {
  if (user === undefined) return ok({});
  const known = await credentials?.of(namespace);
  if (known?.ok && known.value?.user === user) return ok({ as: { user, token: known.value.token } });
  const why = known?.ok === false ? known.error.message : 'it is known as another user by now';
  return err({ kind: 'unreachable', message: `namespace ${namespace} is not known as ${user} any more: ${why}` });
}

/** A job is ended by its own user where that one is known here, else by the operator itself, if SLURM lets it. */
export async function asItsUser(job: JobRef, namespace: string, { credentials }: Ports): Promise<Cancellation> {
  const as = await credentials?.ofUser(namespace, job.user);
  return as ? { ...job, as } : job;
}

/**
 * Whether the operator's own user is shown the jobs of a namespace's user (PrivateData of slurm.conf): before anything
 * is concluded from what its listing lacks, the other one is asked.
 */
export type Sight = {
  /** Why the listing proves nothing about the deployment; undefined: nothing speaks against it. */
  doubt(resource: Resource, view: SlurmView): Promise<string | undefined>;
};

/** One look serves all turns of a moment. */
const FRESH_MS = 5_000;

export function createSight({
  slurm,
  credentials,
  clock,
  store,
}: Pick<Deps, 'slurm' | 'credentials' | 'clock' | 'store'>): Sight {
  const looks = new Map<string, { readonly atMs: number; readonly jobs: Promise<readonly Job[]> }>();

  /** Whoever cannot be asked can have nothing submitted either; his word is missing, not against us. */
  async function look(namespace: string): Promise<readonly Job[]> {
    const known = await credentials?.of(namespace);
    if (!known?.ok || !known.value) return [];
    const listed = await slurm.listJobsAs?.(known.value);
    if (!listed?.ok) return [];
    return listed.value.jobs.filter(({ user }) => user === listed.value.user);
  }

  function jobsSeen(namespace: string): Promise<readonly Job[]> {
    const atMs = clock.now();
    for (const [name, past] of looks) if (Math.abs(atMs - past.atMs) >= FRESH_MS) looks.delete(name);
    const known = looks.get(namespace);
    if (known) return known.jobs;
    const jobs = look(namespace);
    looks.set(namespace, { atMs, jobs });
    return jobs;
  }

  return {
    async doubt(resource, view) {
      if (!slurm.listJobsAs || !concludesFromAbsence(resource, view)) return undefined;
      const { key, uid } = resource;
      const theirs = (await jobsSeen(key.namespace)).flatMap((job) => ownJobOf(job, store.id) ?? []);
      const own = theirs.filter(
        ({ identity }) => identity.uid === uid && identity.name === key.name && identity.namespace === key.namespace,
      );
      const hidden = hiddenJob(resource, view, own);
      return (
        hidden &&
        `job ${hidden.id} of ${hidden.user} is not shown to ${view.user}, as whom all jobs are listed: with PrivateData in slurm.conf ${view.user} must be a coordinator of its account or an Operator`
      );
    },
  };
}
