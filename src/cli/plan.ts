import { Command } from 'commander';
import { type Catalog, EMPTY_CATALOG } from '../api/catalog.ts';
import { keyText, sameKey } from '../api/key.ts';
import { FINALIZER, type Resource } from '../api/resource.ts';
import type { Clock } from '../clock.ts';
import { eachCluster, policyOf, type Settings, siteOf } from '../config.ts';
import { decide } from '../decide/decide.ts';
import type { Observation, OwnJob, Whereabouts } from '../decide/observation.ts';
import type { Action, Plan } from '../decide/plan.ts';
import { fitWarnings } from '../launch/fit.ts';
import { originsOf } from '../launch/origins.ts';
import type { Site } from '../launch/site.ts';
import { assertNever, err, ok, type Result } from '../result.ts';
import { readIdentity, readReport } from '../slurm/identity.ts';
import { admit, revise } from '../store/revise.ts';
import { type Cli, EXIT, examples, print, say } from './cli.ts';
import { chooseCluster } from './cluster.ts';
import { openSlurm } from './compose.ts';
import { readResources } from './deployments.ts';
import { withSettings } from './global-options.ts';
import { type GoodClaim, withManifests } from './manifest-file.ts';
import { settingsOf } from './open-clusters.ts';
import { serveScript, standInCommand } from './package.ts';
import { PREVIEW } from './render.ts';
import { alignedLines } from './table.ts';

type Place = { readonly settings: Settings; readonly catalog: Catalog };
type Change = { readonly claim: GoodClaim; readonly after: Resource; readonly before: Resource | undefined };

export function planCommand(cli: Cli): Command {
  const command = new Command('plan')
    .description('print what would happen if a file were applied, with the exact input of sbatch; nothing is done')
    .requiredOption('-f, --filename <file>', 'file with deployments; - is stdin')
    .action(async ({ filename }: { readonly filename: string }, self: Command) =>
      cli.exit(
        await withSettings(cli, self, (loaded) =>
          withManifests(cli, filename, loaded.catalog, (claims) => plan(cli, loaded, claims)),
        ),
      ),
    );
  return examples(command, [['vllm-slurm plan -f qwen.yaml', 'before it is put into the directory']]);
}

async function plan(cli: Cli, place: Place, claims: readonly GoodClaim[]): Promise<number> {
  const { settings, catalog } = place;
  const known = new Map<string | undefined, Result<readonly OwnJob[], string>>();
  async function jobsOn(its: Settings): Promise<Result<readonly OwnJob[], string>> {
    const { name } = its.cluster;
    const before = known.get(name);
    if (before) return before;
    const jobs = await knownJobs(cli, its);
    if (!jobs.ok) say(cli, name === undefined ? `note: ${jobs.error}` : `note: cluster ${name}: ${jobs.error}`);
    known.set(name, jobs);
    return jobs;
  }
  const resources = await readResources(settings.directory, cli.clock, catalog);
  for (const claim of claims) {
    const before = resources.find(({ key }) => sameKey(key, claim.key));
    const after = applied(claim, before, cli.clock.now());
    const its = settingsOf(settings, after);
    print(
      cli,
      textOf(
        { claim, after, before },
        await jobsOn(its),
        { ...place, settings: its },
        cli.clock,
        whereaboutsOf(cli, settings, its),
      ),
    );
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
  change: Change,
  jobs: Result<readonly OwnJob[], string>,
  place: Place,
  clock: Clock,
  whereabouts: Whereabouts,
): string {
  const { after, before } = change;
  const site = siteOf(place.settings, standInCommand(), place.catalog);
  const values = valueLines(change.claim, site);
  if (jobs.ok || !before) {
    const seen = observation(after, jobs.ok ? jobs.value : [], place.settings, site, clock, whereabouts);
    return planText(change, decide(seen), values);
  }
  const lines = [
    `${keyText(after.key)}: ${changeWords(after, before)}`,
    ...[...values, 'what would be submitted cannot be told'].map((line) => `  ${line}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** Every cluster is taken to answer: a plan is about what is asked for. */
function whereaboutsOf(cli: Cli, settings: Settings, its: Settings): Whereabouts {
  const nameOf = (one: Settings): string => one.cluster.name ?? chooseCluster(one, cli).type;
  return {
    here: nameOf(its),
    recorded: settings.clusters && nameOf(its),
    clusters: new Map(eachCluster(settings).map((one) => [nameOf(one), true])),
    foundOn: undefined,
  };
}

function applied({ key, declared }: GoodClaim, before: Resource | undefined, now: number): Resource {
  const { resource } = before
    ? revise({ resource: before, seenDigest: '', goodText: undefined }, declared)
    : admit(key, declared, { uid: PREVIEW, atMs: now });
  // Without a controller's look at it a resource has no uid yet.
  return { ...resource, uid: resource.uid || PREVIEW, finalizers: [...new Set([...resource.finalizers, FINALIZER])] };
}

/** Endpoints are not asked and past jobs not looked up: a plan is about what is to be submitted and cancelled. */
function observation(
  resource: Resource,
  jobs: readonly OwnJob[],
  settings: Settings,
  site: Site,
  clock: Clock,
  whereabouts: Whereabouts,
): Observation {
  const now = clock.now();
  return {
    now,
    resource,
    owner: jobs.find(({ identity }) => identity.uid === resource.uid)?.identity.owner ?? PREVIEW,
    slurm: {
      known: true,
      value: { askedAtMs: now, jobs: jobs.filter(({ identity }) => identity.uid === resource.uid) },
    },
    whereabouts,
    viewSuspect: false,
    networkSuspect: false,
    submitsAs: { kind: 'itself' },
    secretProblems: [],
    tenancy: new Map(),
    endings: new Map(),
    logTails: new Map(),
    history: new Map(),
    probes: new Map(),
    nodeAddresses: new Map(),
    usableNodes: undefined,
    policy: policyOf(settings),
    site,
    body: serveScript(),
    entropy: PREVIEW,
  };
}

function planText({ after, before }: Change, { actions, status }: Plan, values: readonly string[]): string {
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
    ...values.map((line) => `  ${line}`),
    ...scripts,
    '',
  ].join('\n');
}

/** What will most likely not work, and where each value is from. */
function valueLines(
  { spec, declared }: GoodClaim,
  { catalog = EMPTY_CATALOG, hardware, defaults }: Site,
): readonly string[] {
  const warnings = fitWarnings(spec, catalog, hardware);
  const rows = originsOf(JSON.parse(declared.specText), catalog, defaults).map(({ path, value, from, instead }) => [
    path,
    JSON.stringify(value),
    instead === undefined ? from : `${from}, instead of ${JSON.stringify(instead)}`,
  ]);
  return [
    ...warnings.map(({ field, message }) => `warning: ${field}: ${message}`),
    'values, and where each is from:',
    ...alignedLines(rows).map((line) => `  ${line}`),
  ];
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
