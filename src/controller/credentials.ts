import { keyText } from '../api/key.ts';
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

export function createSight({
  slurm,
  credentials,
  clock,
  store,
}: Pick<Deps, 'slurm' | 'credentials' | 'clock' | 'store'>): Sight {
  type Look = Result<readonly Job[], string>;
  const looks = new Map<string, { readonly atMs: number; readonly look: Promise<Look> }>();

  /** A namespace that is nobody sees nothing, and has nothing submitted. */
  async function lookAs(namespace: string): Promise<Look> {
    const known = await credentials?.of(namespace);
    const listed = known?.ok && known.value ? await slurm.listJobsAs?.(known.value) : undefined;
    if (!listed) return ok([]);
    if (!listed.ok) return err(listed.error.message);
    const { jobs, user } = listed.value;
    return ok(jobs.filter((job) => job.user === user));
  }

  /** One look serves all turns on one listing. One from before it proves nothing: what the listing lacks may have come since. */
  function jobsSeen(namespace: string, { askedAtMs }: SlurmView): Promise<Look> {
    const atMs = clock.now();
    for (const [name, past] of looks) if (past.atMs < askedAtMs || past.atMs > atMs) looks.delete(name);
    const known = looks.get(namespace);
    if (known) return known.look;
    const look = lookAs(namespace);
    looks.set(namespace, { atMs, look });
    return look;
  }

  return {
    async doubt(resource, view) {
      if (!slurm.listJobsAs || !concludesFromAbsence(resource, view)) return undefined;
      const { key, uid } = resource;
      const seen = await jobsSeen(key.namespace, view);
      if (!seen.ok) return `what the namespace’s own user sees of its jobs is not known: ${seen.error}`;
      const own = seen.value
        .flatMap((job) => ownJobOf(job, store.id) ?? [])
        .filter(({ identity }) => identity.uid === uid && keyText(identity) === keyText(key));
      const hidden = hiddenJob(resource, view, own);
      return (
        hidden &&
        `job ${hidden.id} of ${hidden.user} is not shown to ${view.user}, as whom all jobs are listed: with PrivateData in slurm.conf ${view.user} must be a coordinator of its account or an Operator`
      );
    },
  };
}
