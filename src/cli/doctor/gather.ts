import os from 'node:os';
import { problemLine } from '../../api/problem-line.ts';
import type { Resource } from '../../api/resource.ts';
import { Spec } from '../../api/spec.ts';
import { siteOf } from '../../config.ts';
import type { Answer, DirectoryFact, Facts, Wish } from '../../doctor/facts.ts';
import { presetFor } from '../../launch/fit.ts';
import { specsByPlace } from '../../launch/places.ts';
import { err, ok } from '../../result.ts';
import type { Command } from '../../slurm/cli/command-line.ts';
import { isPlainWord } from '../../slurm/cli/command-line.ts';
import { describeRun, failureOf } from '../../slurm/cli/outcome.ts';
import { createRunner, type Runner, wentWell } from '../../slurm/cli/run.ts';
import {
  associationsCommand,
  CONFIGURATION_COMMAND,
  defaultAccountCommand,
  PARTITION_NODES_COMMAND,
  PARTITIONS_COMMAND,
  PING_COMMAND,
  parseAssociations,
  parseConfiguration,
  parsePartitionNodes,
  parsePartitions,
  parsePing,
  parseQos,
  QOS_COMMAND,
} from '../../slurm/cli/site.ts';
import { readVersion } from '../../slurm/cli/versions.ts';
import { openDirectory } from '../../store/directory/reader.ts';
import type { Cli } from '../cli.ts';
import { chooseCluster } from '../cluster.ts';
import { openSlurm } from '../compose.ts';
import { type Far, openFar } from '../far.ts';
import type { Loaded } from '../global-options.ts';
import type { GoodClaim } from '../manifest-file.ts';
import { standInCommand } from '../package.ts';
import { askHub, directoryFact, hostFact, reach, readToken, venvFact } from './local-facts.ts';
import { probeByJob } from './probe-job.ts';

export type Gathering = {
  /** Submit a small job. */
  readonly job: boolean;
  readonly jobTimeoutMs: number;
  /** Ask the hub. */
  readonly online: boolean;
  /** Whether a deployment is to run on the cluster that is looked at. */
  isHere(of: { readonly spec: Resource['spec']; readonly status?: Resource['status'] }): boolean;
  /** Deployments of a file, besides those of the directory. */
  readonly claims: readonly GoodClaim[];
};

const PROGRAMS = ['sbatch', 'squeue', 'scancel', 'scontrol', 'sinfo', 'sacct', 'sacctmgr'];
/** SLURM's own, where its configuration does not say. */
const SLURMD_PORT = 6818;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** Looks, and changes nothing; with `job` it submits one. */
export async function gatherFacts(cli: Cli, loaded: Loaded, gathering: Gathering): Promise<Facts> {
  const { settings, catalog } = loaded;
  const cluster = { ...chooseCluster(settings, cli), isChosen: settings.cluster.type !== 'auto' };
  const site = siteOf(settings, standInCommand(), catalog);
  const { resources, unreadable } = await declared(cli, loaded);
  const wishes = await Promise.all(
    wishesOf([...resources, ...gathering.claims], gathering.isHere).map((wish) =>
      complete(cli, wish, loaded, gathering),
    ),
  );
  const caches = new Set(wishes.flatMap(({ spec }) => spec.model.cache.path ?? []));
  const venvs = new Set(wishes.flatMap(({ spec }) => spec.runtime.venv ?? []));
  const far = cluster.type === 'slurm' ? openFar(cli, settings) : undefined;
  // What is over there cannot be looked at from here.
  const isFar = far?.logs !== undefined;
  const local: Facts = {
    now: cli.clock.now(),
    cluster,
    timeoutSeconds: settings.cluster.timeoutSeconds,
    site,
    wishes,
    unreadable,
    directories: [
      directoryFact('deployments', settings.directory),
      ...(isFar ? [] : [directoryFact('log directory', settings.logDirectory)]),
      ...(isFar ? [] : [...caches].map((cache) => directoryFact('model cache', cache))),
    ],
    venvs: isFar ? [] : [...venvs].map(venvFact),
  };
  if (cluster.type === 'rest') return { ...local, ...(await restFacts(cli, loaded)) };
  if (cluster.type !== 'slurm') return { ...local, host: hostFact(cli.environment) };
  if (!far) return { ...local, ...(await slurmFacts(cli, loaded, local, gathering)) };
  try {
    const connection = await connectionFact(far, settings.cluster.ssh.host ?? '');
    if (!connection.ok) return { ...local, connection };
    const facts = await slurmFacts(cli, loaded, local, gathering, far);
    return {
      ...local,
      connection,
      ...facts,
      directories: [...local.directories, ...(await farDirectory(far, settings))],
    };
  } finally {
    await far.close();
  }
}

async function connectionFact({ runner }: Far, host: string): Promise<Answer<{ readonly host: string }>> {
  const ran = await runner.run({ program: 'id', args: ['-un'], isTheirs: true });
  if (wentWell(ran)) return ok({ host });
  return err(ran.end.how === 'not started' ? ran.end.why : describeRun(ran));
}

async function farDirectory({ logs }: Far, { logDirectory }: Loaded['settings']): Promise<readonly DirectoryFact[]> {
  if (!logs) return [];
  const looked = await logs.lookAt(logDirectory);
  const purpose = 'log directory';
  return [
    looked.ok
      ? { path: logDirectory, purpose, is: looked.value }
      : { path: logDirectory, purpose, is: 'unusable', why: looked.error },
  ];
}

/** The rest of what the commands tell is not asked of it. */
async function restFacts(cli: Cli, { settings }: Loaded): Promise<Partial<Facts>> {
  const opened = await openSlurm(cli, settings);
  if (!opened.ok) return { rest: opened };
  const slurm = opened.value;
  try {
    const listing = await slurm.listJobs();
    if (!listing.ok) return { rest: err(listing.error.message) };
    const { jobs, notices = {} } = listing.value;
    const nodes = await slurm.nodes();
    const route = nodes.ok ? await routeTo(nodes.value, undefined) : undefined;
    return { rest: ok({ jobs: jobs.length, notices }), ...(route && { route }) };
  } finally {
    await slurm.close();
  }
}

async function slurmFacts(
  cli: Cli,
  { settings }: Loaded,
  local: Facts,
  gathering: Gathering,
  far?: Far,
): Promise<Partial<Facts>> {
  const { commandPrefix, binDirectory, timeoutSeconds } = settings.cluster;
  const place = {
    clock: cli.clock,
    commandPrefix,
    timeoutMs: timeoutSeconds * 1000,
    maxOutputBytes: MAX_OUTPUT_BYTES,
    environment: cli.environment,
  };
  const here = createRunner({ ...place, binDirectory });
  const runner = far?.runner ?? here;
  try {
    const programs = await Promise.all(
      PROGRAMS.map(async (name) => ({
        name,
        version: await ask(runner, { program: name, args: ['--version'] }, (text) => readVersion(text) ?? text.trim()),
      })),
    );
    const controller = await ask(runner, PING_COMMAND, parsePing);
    // Each command would wait for it as long again.
    if (!controller.ok || !controller.value.hosts.some(({ isUp }) => isUp)) return { programs, controller };
    const askedAtMs = cli.clock.now();
    const configuration = await ask(runner, CONFIGURATION_COMMAND, (text) => ({
      ...parseConfiguration(text),
      askedAtMs,
      answeredAtMs: cli.clock.now(),
    }));
    const [partitions, nodes, user] = await Promise.all([
      ask(runner, PARTITIONS_COMMAND, parsePartitions),
      ask(runner, PARTITION_NODES_COMMAND, parsePartitionNodes),
      userOf(
        far?.runner ?? (commandPrefix.length === 0 ? undefined : createRunner({ ...place, binDirectory: undefined })),
      ),
    ]);
    const enforced = configuration.ok && configuration.value.enforced.length > 0;
    const accounts = enforced && user.ok ? await accountFacts(runner, user.value) : {};
    // Through the connection it is the engine that is asked, at a port that nobody has yet.
    const route =
      nodes.ok && !far?.way
        ? await routeTo(nodes.value, configuration.ok ? configuration.value.slurmdPort : undefined)
        : undefined;
    const job = gathering.job
      ? await probeByJob(cli, local, {
          runner,
          logDirectory: settings.logDirectory,
          timeoutMs: gathering.jobTimeoutMs,
          logs: far?.logs,
        })
      : undefined;
    return {
      programs,
      controller,
      configuration,
      partitions,
      nodes,
      user,
      ...accounts,
      ...(route && { route }),
      ...(job && { job }),
    };
  } finally {
    await here.close();
  }
}

async function accountFacts(runner: Runner, user: string): Promise<Pick<Facts, 'associations' | 'qos'>> {
  const [byDefault, qos] = await Promise.all([
    ask(runner, defaultAccountCommand(user), (text) => text),
    ask(runner, QOS_COMMAND, parseQos),
  ]);
  const associations = byDefault.ok
    ? await ask(runner, associationsCommand(user), (text) => parseAssociations(text, byDefault.value))
    : byDefault;
  return { associations, qos };
}

/** @param elsewhere runs what stands on no path of SLURM's, where the commands run; undefined: here */
async function userOf(elsewhere: Runner | undefined): Promise<Answer<string>> {
  const name = elsewhere
    ? await ask(elsewhere, { program: 'id', args: ['-un'], isTheirs: true }, (text) => text.trim())
    : ok(os.userInfo().username);
  if (!name.ok || isPlainWord(name.value)) return name;
  return err(`the user ${name.value} cannot be asked for`);
}

async function routeTo(
  nodes: readonly { readonly name: string; readonly address: string; readonly state: string }[],
  port = SLURMD_PORT,
): Promise<Facts['route']> {
  const node = nodes.find(({ state }) => /^(idle|mixed|allocated|completing)/.test(state));
  if (!node) return undefined;
  return { node: node.name, address: node.address, outcome: await reach(node.address, port) };
}

async function ask<T>(runner: Runner, command: Command, read: (output: string) => T): Promise<Answer<T>> {
  const ran = await runner.run(command);
  const failure = failureOf(ran);
  return failure ? err(failure.message) : ok(read(ran.stdout));
}

async function declared(
  cli: Cli,
  { settings, catalog }: Loaded,
): Promise<{ readonly resources: readonly Resource[]; readonly unreadable: readonly string[] }> {
  const opened = await openDirectory(settings.directory, cli.clock, catalog);
  const listed = opened.ok ? await opened.value.list() : opened;
  if (!opened.ok || !listed.ok) return { resources: [], unreadable: [] }; // a directory that is not there yet
  const resources = listed.value.filter(({ deletingSinceMs }) => deletingSinceMs === undefined);
  const unreadable = [
    ...opened.value
      .problems()
      .map(({ file, line, message }) => `${line === undefined ? file : `${file}:${line}`}: ${message}`),
    ...resources.flatMap(({ problems }) => problems.map(problemLine)),
  ];
  return { resources, unreadable: [...new Set(unreadable)] };
}

type Asked = Pick<Wish, 'key' | 'spec'>;

/** Without any deployment: what one would ask for that says nothing, so that the settings are looked at. */
function wishesOf(all: readonly (Resource | GoodClaim)[], isHere: Gathering['isHere']): readonly Asked[] {
  const wishes = all.flatMap((one): readonly Asked[] => {
    const { key, spec } = one;
    // Each of its places is a wish, wherever it is now.
    if (spec?.slurm.places) return specsByPlace(spec).flatMap((at) => (isHere({ spec: at }) ? { key, spec: at } : []));
    return spec && isHere(one) ? [{ key, spec }] : [];
  });
  if (wishes.length > 0) return wishes;
  return [{ key: undefined, spec: Spec.parse({ model: { uri: 'hf://any/model' }, resources: { gpusPerNode: 0 } }) }];
}

async function complete(cli: Cli, { key, spec }: Asked, { catalog }: Loaded, { online }: Gathering): Promise<Wish> {
  const preset = presetFor(spec, catalog);
  const { tokenFrom, uri, revision = 'main', cache } = spec.model;
  const token = tokenFrom && (await readToken(cli, key?.namespace ?? 'default', tokenFrom));
  const repository = /^hf:\/\/(.+)$/.exec(uri)?.[1];
  const isAsked = online && key !== undefined && repository !== undefined && !cache.offline && (token?.ok ?? true);
  const hub = isAsked ? await askHub(cli, repository, revision, token?.ok ? token.value : undefined) : undefined;
  return {
    key,
    spec,
    gated: preset?.gated ?? false,
    ...(preset && { minimumEngine: preset.minimumEngine }),
    ...(token && { token: token.ok ? ok('read') : token }),
    ...(hub && { hub }),
  };
}
