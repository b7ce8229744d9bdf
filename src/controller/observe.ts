import { type Key, keyText } from '../api/key.ts';
import type { Resource } from '../api/resource.ts';
import type { HistoryAnswer, Observation, OwnJob, SlurmView, Whereabouts } from '../decide/observation.ts';
import { endingsWanted, historyWanted, targetsWanted, type WantedEndpoint } from '../decide/questions.ts';
import { isOfUser, usersKnown } from '../decide/users.ts';
import type { Known, Result } from '../result.ts';
import { ok } from '../result.ts';
import { jobKey } from '../slurm/job.ts';
import type { SlurmError } from '../slurm/slurm.ts';
import type { StoreError } from '../store/store.ts';
import { type Sight, whoSubmits } from './credentials.ts';
import type { Deps } from './deps.ts';
import type { Details } from './details.ts';
import type { Nodes } from './nodes.ts';
import type { SecretCheck } from './secret-checks.ts';
import { lackingSecrets, withKeys } from './secrets.ts';
import type { Fleet, Snapshot } from './snapshot.ts';

/** What the turns share, refreshed by the tick. */
export type Shared = {
  readonly snapshot: Snapshot;
  readonly nodes: Nodes;
  readonly details: Details;
  readonly secretCheck: SecretCheck;
  readonly sight: Sight;
  /** Every endpoint of the fleet stopped answering at once. */
  networkSuspect(): boolean;
};

/** Gathers facts, has no opinions. `undefined`: the resource is gone. */
export async function observe(
  key: Key,
  deps: Deps,
  shared: Shared,
): Promise<Result<Observation | undefined, StoreError>> {
  const known = await whoSubmits(key.namespace, deps.credentials);
  const got = await deps.store.get(key);
  if (!got.ok) return got;
  const resource = got.value;
  if (!resource || deps.seat?.isHere(resource) === false) {
    await deps.prober.follow(keyText(key), []);
    return ok(undefined);
  }
  // Together: whether a view is believed is a fact of that view, and another may come while the questions are out.
  const users = usersKnown(resource, known);
  const shown = deps.seat?.lost(resource) ?? viewOf(resource, deps.store.id, users, shared);
  const viewSuspect = shared.snapshot.suspect();
  const followed = deps.seat?.lost(resource) ? undefined : followedJobs(resource, deps.store.id, users, shared);
  const slurm = await undoubted(resource, shown, shared);
  if (slurm.known && followed) await knowNodes(followed, endingsWanted(resource, slurm.value), shared.nodes);
  const credentials = deps.seat ? deps.seat.credentials(resource) : deps.credentials;
  const nodeAddresses = shared.nodes.addresses();
  const wanted = targetsWanted(resource, followed, { nodeAddresses, site: deps.site });
  const [submitsAs, probes, secretProblems, endings, logTails, history] = await Promise.all([
    whoSubmits(key.namespace, credentials),
    probe(resource, wanted, deps),
    lackingSecrets(resource, shared.secretCheck),
    slurm.known ? askEndings(resource, slurm.value, shared.details) : new Map(),
    slurm.known ? readTails(resource, slurm.value, shared.details) : new Map(),
    slurm.known && !viewSuspect ? askHistory(resource, slurm.value, shared.details) : new Map(),
  ]);
  return ok({
    now: deps.clock.now(),
    resource,
    owner: deps.store.id,
    slurm,
    whereabouts: whereaboutsOf(resource, slurm, deps),
    viewSuspect,
    networkSuspect: shared.networkSuspect(),
    endings,
    logTails,
    history,
    submitsAs,
    secretProblems,
    tenancy: deps.seat ? deps.seat.tenancy() : new Map(deps.tenancy && [[deps.slurm.cluster, deps.tenancy.current()]]),
    probes,
    nodeAddresses,
    usableNodes: shared.nodes.usable(),
    policy: deps.policy,
    site: deps.site,
    body: deps.body,
    entropy: deps.entropy(),
  });
}

function whereaboutsOf(
  resource: Resource,
  slurm: Observation['slurm'],
  { seat, slurm: { cluster } }: Deps,
): Whereabouts {
  if (seat) return seat.whereabouts(resource, slurm.known && slurm.value.jobs.length > 0);
  return { here: cluster, recorded: undefined, clusters: new Map([[cluster, slurm.known]]), foundOn: undefined };
}

async function probe(
  resource: Resource,
  wanted: readonly WantedEndpoint[],
  deps: Deps,
): Promise<Observation['probes']> {
  const { targets, unasked } = await withKeys(resource, wanted, deps);
  return new Map([...unasked, ...(await deps.prober.follow(keyText(resource.key), targets))]);
}

function viewOf(
  resource: Resource,
  owner: string,
  users: readonly string[],
  { snapshot }: Shared,
): Known<SlurmView, SlurmError> {
  const fleet = snapshot.fleet();
  if (!fleet.known) return fleet;
  const { askedAtMs, user, notices } = fleet.value;
  const jobs = ownJobs(fleet.value, resource, owner, users);
  return {
    known: true,
    value: { askedAtMs, jobs, ...(user !== undefined && { user }), ...(notices && { notices }) },
  };
}

/** Where jobs are of several users the listing may lack some for other reasons than that they are gone. */
async function undoubted(
  resource: Resource,
  shown: Known<SlurmView, SlurmError>,
  { sight }: Shared,
): Promise<Known<SlurmView, SlurmError>> {
  if (!shown.known) return shown;
  const doubt = shown.value.user === undefined ? unlistedUsers(resource) : await sight.doubt(resource, shown.value);
  if (doubt === undefined) return shown;
  return { known: false, why: { kind: 'unknown', message: doubt }, sinceMs: shown.value.askedAtMs };
}

/** The setting was taken away while jobs of others live: they would look as if they were gone. */
function unlistedUsers({ status: { users = [] } }: Resource): string | undefined {
  if (users.length === 0) return undefined;
  return `jobs of ${users.join(', ')} may live, and are listed only with cluster.rest.namespaceCredentials`;
}

/** Endpoints are followed through a silence of Slurm. @returns undefined when it has been silent from the beginning */
function followedJobs(
  resource: Resource,
  owner: string,
  users: readonly string[],
  { snapshot }: Shared,
): readonly OwnJob[] | undefined {
  const fleet = snapshot.lastKnown();
  return fleet && ownJobs(fleet, resource, owner, users);
}

/** An old resource's jobs are not adopted by a new one of the same name, nor are a stranger's. */
function ownJobs(
  { jobs, user }: Fleet,
  resource: Resource,
  owner: string,
  users: readonly string[],
): readonly OwnJob[] {
  return (jobs.get(keyText(resource.key)) ?? [])
    .filter((job) => job.identity.uid === resource.uid && job.identity.owner === owner && isOfUser(job, user, users))
    .map((job) => withAllocation(job, resource));
}

/** Slurm takes a node off a COMPLETING job's list once it is cleaned up, or lost: what the job had is on record. */
function withAllocation(job: OwnJob, { status }: Resource): OwnJob {
  if (job.phase !== 'completing') return job;
  const { replica, attempt } = job.identity;
  const known =
    status.jobs?.find((one) => one.jobId === job.id && one.replica === replica && one.attempt === attempt)?.nodes ?? [];
  return job.nodes.every((node) => known.includes(node)) ? { ...job, nodes: known } : job;
}

/** @param over jobs to be judged: which of its nodes failed, SLURM tells of the nodes and, before 24.11, not of the job */
async function knowNodes(jobs: readonly OwnJob[], over: readonly OwnJob[], nodes: Nodes): Promise<void> {
  const unknown = jobs.some((job) => job.phase === 'running' && job.nodes.some((node) => !nodes.addresses().has(node)));
  const failed = over.some(({ state, reason }) => state === 'NODE_FAIL' || reason === 'NodeDown');
  if (unknown || failed) await nodes.refresh();
}

async function askEndings(resource: Resource, view: SlurmView, details: Details): Promise<Observation['endings']> {
  const answers = await Promise.all(
    endingsWanted(resource, view).map(async (job) => [jobKey(job), await details.ending(job)] as const),
  );
  return new Map(answers.flatMap(([key, ending]) => (ending ? [[key, ending] as const] : [])));
}

/** While a job is COMPLETING Slurm has no ending to tell, and the log says why all the same. */
async function readTails(resource: Resource, view: SlurmView, details: Details): Promise<Observation['logTails']> {
  const ending = endingsWanted(resource, view).filter((job) => job.phase === 'completing');
  const tails = await Promise.all(ending.map(async (job) => [jobKey(job), await details.logTail(job)] as const));
  return new Map(tails.flatMap(([key, tail]) => (tail === undefined ? [] : [[key, tail] as const])));
}

async function askHistory(
  resource: Resource,
  view: SlurmView,
  details: Details,
): Promise<ReadonlyMap<string, HistoryAnswer>> {
  const answers = await Promise.all(
    historyWanted(resource, view).map(async (job) => [job.name, await details.history(job)] as const),
  );
  return new Map(answers.flatMap(([name, answer]) => (answer ? [[name, answer] as const] : [])));
}
