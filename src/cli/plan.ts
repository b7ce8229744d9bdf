import { Command } from 'commander';
import { keyText, sameKey } from '../api/key.ts';
import { FINALIZER, type Resource } from '../api/resource.ts';
import type { Clock } from '../clock.ts';
import { policyOf, type Settings, siteOf } from '../config.ts';
import { decide } from '../decide/decide.ts';
import type { Observation, OwnJob } from '../decide/observation.ts';
import type { Action, Plan } from '../decide/plan.ts';
import { assertNever, err, ok, type Result } from '../result.ts';
import { readIdentity, readReport } from '../slurm/identity.ts';
import { admit, revise } from '../store/revise.ts';
import { type Cli, EXIT, examples, print, say } from './cli.ts';
import { chooseCluster } from './cluster.ts';
import { openSlurm } from './compose.ts';
import { readResources } from './deployments.ts';
import { withSettings } from './global-options.ts';
import { type GoodClaim, withManifests } from './manifest-file.ts';
import { serveScript, standInCommand } from './package.ts';
import { PREVIEW } from './render.ts';

export function planCommand(cli: Cli): Command {
  const command = new Command('plan')
    .description('print what would happen if a file were applied, with the exact input of sbatch; nothing is done')
    .requiredOption('-f, --filename <file>', 'file with deployments; - is stdin')
    .action(async ({ filename }: { readonly filename: string }, self: Command) =>
      cli.exit(
        await withSettings(cli, self, ({ settings }) =>
          withManifests(cli, filename, (claims) => plan(cli, settings, claims)),
        ),
      ),
    );
  return examples(command, [['vllm-slurm plan -f qwen.yaml', 'before it is put into the directory']]);
}

async function plan(cli: Cli, settings: Settings, claims: readonly GoodClaim[]): Promise<number> {
  const resources = await readResources(settings.directory, cli.clock);
  const jobs = await knownJobs(cli, settings);
  if (!jobs.ok) say(cli, `note: ${jobs.error}`);
  for (const claim of claims) {
    const before = resources.find(({ key }) => sameKey(key, claim.key));
    const after = applied(claim, before, cli.clock.now());
    print(cli, textOf(after, before, jobs, settings, cli.clock));
  }
  return EXIT.ok;
}

/** A local cluster belongs to the operator that runs it: to open it here would start what waits there. */
async function knownJobs(cli: Cli, settings: Settings): Promise<Result<readonly OwnJob[], string>> {
  if (chooseCluster(settings, cli).type === 'local')
    return err('the jobs of a local cluster are known to its operator only');
  const slurm = await openSlurm(cli, settings);
  if (!slurm.ok) return slurm;
  const listing = await slurm.value.listJobs();
  await slurm.value.close();
  if (!listing.ok) return err(`SLURM does not answer: ${listing.error.message}`);
  return ok(
    listing.value.jobs.flatMap((job) => {
      const identity = readIdentity(job);
      return identity ? [{ ...job, identity, report: readReport(job.comment) }] : [];
    }),
  );
}

/** A new deployment has no jobs, whether SLURM answers or not; of one that exists nothing is said without an answer. */
function textOf(
  after: Resource,
  before: Resource | undefined,
  jobs: Result<readonly OwnJob[], string>,
  settings: Settings,
  clock: Clock,
): string {
  if (jobs.ok || !before)
    return planText(after, before, decide(observation(after, jobs.ok ? jobs.value : [], settings, clock)));
  const lines = [`${keyText(after.key)}: ${changeWords(after, before)}`, '  what would be submitted cannot be told'];
  return `${lines.join('\n')}\n`;
}

function applied({ key, declared }: GoodClaim, before: Resource | undefined, now: number): Resource {
  const { resource } = before
    ? revise({ resource: before, seenDigest: '', goodText: undefined }, declared)
    : admit(key, declared, { uid: PREVIEW, atMs: now });
  // Without a controller's look at it a resource has no uid yet.
  return { ...resource, uid: resource.uid || PREVIEW, finalizers: [...new Set([...resource.finalizers, FINALIZER])] };
}

/** Endpoints are not asked and past jobs not looked up: a plan is about what is to be submitted and cancelled. */
function observation(resource: Resource, jobs: readonly OwnJob[], settings: Settings, clock: Clock): Observation {
  const now = clock.now();
  return {
    now,
    resource,
    owner: jobs.find(({ identity }) => identity.uid === resource.uid)?.identity.owner ?? PREVIEW,
    slurm: {
      known: true,
      value: { askedAtMs: now, jobs: jobs.filter(({ identity }) => identity.uid === resource.uid) },
    },
    viewSuspect: false,
    networkSuspect: false,
    secretProblems: [],
    tenancy: undefined,
    endings: new Map(),
    logTails: new Map(),
    history: new Map(),
    probes: new Map(),
    nodeAddresses: new Map(),
    usableNodes: undefined,
    policy: policyOf(settings),
    site: siteOf(settings, standInCommand()),
    body: serveScript(),
    entropy: PREVIEW,
  };
}

function planText(after: Resource, before: Resource | undefined, { actions, status }: Plan): string {
  const told = actions.flatMap((action) => actionLines(action));
  const ready = status.conditions?.find(({ type }) => type === 'Ready');
  const scripts = actions.flatMap((action) =>
    action.kind === 'submit'
      ? [`\n--- sbatch input of ${action.name} ---`, action.script.trimEnd(), '--- end ---']
      : [],
  );
  return [
    `${keyText(after.key)}: ${changeWords(after, before)}`,
    ...(told.length > 0 ? told : ['nothing to do']).map((line) => `  ${line}`),
    ...(ready ? [`  then Ready=${ready.status}, ${ready.reason}: ${ready.message}`] : []),
    ...scripts,
    '',
  ].join('\n');
}

function changeWords(after: Resource, before: Resource | undefined): string {
  const count = after.spec?.replicas ?? 0;
  const replicas = `${count} replica${count === 1 ? '' : 's'}`;
  if (!before) return `new, ${replicas}`;
  if (before.deletingSinceMs !== undefined) return 'is being deleted';
  return after.generation === before.generation ? `unchanged, ${replicas}` : `changed, ${replicas}`;
}

function actionLines(action: Action): readonly string[] {
  switch (action.kind) {
    case 'submit':
      return [`submit ${action.name} (replica ${action.replica}, attempt ${action.attempt})`];
    case 'cancel':
      return [`cancel job ${action.job.id}, ${action.job.name}: ${action.why}`];
    case 'addFinalizer':
    case 'releaseFinalizer':
    case 'claim':
      return [];
    default:
      return assertNever(action);
  }
}
