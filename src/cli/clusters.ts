import { Command } from 'commander';
import { rfc3339 } from '../api/time.ts';
import { eachCluster, type Settings } from '../config.ts';
import { countGpus, type GpuCount } from '../slurm/gpus.ts';
import { type Inventory, isUsable } from '../slurm/slurm.ts';
import { type Cli, EXIT, examples, print } from './cli.ts';
import { chooseCluster } from './cluster.ts';
import { openSlurm } from './compose.ts';
import { withSettings } from './global-options.ts';
import { alignedTable } from './table.ts';

type ClustersOptions = { readonly json?: true };

/** What one cluster says of itself, now. */
type Seen = {
  readonly name: string;
  readonly type: string;
  readonly answers: boolean;
  /** Why it does not answer, or why nobody but its operator may ask it. */
  readonly why?: string;
  readonly version?: string;
  readonly nodes?: { readonly total: number; readonly usable: number };
  /** One entry a type, the most frequent first. */
  readonly gpus?: readonly GpuCount[];
  /** Of this user and named as the operator names them, whosever deployments they are. */
  readonly jobs?: { readonly pending: number; readonly running: number };
  readonly listing?: { readonly seconds: number; readonly bytes?: number };
  readonly credentialsEnd?: string;
};

export function clustersCommand(cli: Cli): Command {
  const command = new Command('clusters')
    .description('ask each cluster of the settings whether it answers, what it has, and what a look at it costs')
    .option('--json', 'as JSON')
    .action(async (options: ClustersOptions, self: Command) =>
      cli.exit(await withSettings(cli, self, async ({ settings }) => clusters(cli, settings, options))),
    );
  command.addHelpText(
    'after',
    `\nColumns:\n${COLUMNS.map(([name, means]) => `  ${name.padEnd(7)}  ${means}`).join('\n')}`,
  );
  return examples(command, [
    ['vllm-slurm clusters', 'all of them; it exits 1 when one does not answer'],
    ["vllm-slurm clusters --json | jq '.[] | select(.answers | not)'", 'for scripts'],
    ["vllm-slurm clusters --json | jq '.[] | {name, gpus}'", 'with type, total, usable and free'],
  ]);
}

/** What their heads do not tell. */
const COLUMNS = [
  ['VERSION', 'of SLURM: the controller’s, or slurmrestd’s where that is asked'],
  ['NODES', 'usable/all; one that is down, drained or failing is not usable'],
  ['GPUS', 'free/all of each type; free: held by no job, on a usable node'],
  ['RUNNING', 'jobs of this user with the names the operator gives; PENDING likewise'],
  ['LISTING', 'what one look at these jobs took; the operator takes one each tick'],
] as const;

async function clusters(cli: Cli, settings: Settings, options: ClustersOptions): Promise<number> {
  // Together: one that is silent holds none of the others up.
  const seen = await Promise.all(eachCluster(settings).map((its) => look(cli, its)));
  if (options.json) print(cli, JSON.stringify(seen, undefined, 2));
  else print(cli, alignedTable([HEAD, ...seen.map(row)]));
  return seen.every(({ answers }) => answers) ? EXIT.ok : EXIT.failed;
}

async function look(cli: Cli, settings: Settings): Promise<Seen> {
  const { type } = chooseCluster(settings, cli);
  const about = { name: settings.cluster.name ?? type, type };
  // To open it would start what waits there.
  if (type === 'local') return { ...about, answers: true, why: 'its jobs are known to its operator only' };
  const opened = await openSlurm(cli, settings);
  if (!opened.ok) return { ...about, answers: false, why: opened.error };
  const slurm = opened.value;
  try {
    const beganMs = cli.clock.now();
    const listing = await slurm.listJobs();
    const seconds = (cli.clock.now() - beganMs) / 1000;
    if (!listing.ok) return { ...about, answers: false, why: listing.error.message };
    const { jobs, bytes, credentialsEndMs } = listing.value;
    const inventory = await slurm.inventory();
    const inPhase = (phase: string): number => jobs.filter((job) => job.phase === phase).length;
    return {
      ...about,
      answers: true,
      ...(inventory.ok ? counted(inventory.value) : { why: inventory.error.message }),
      jobs: { pending: inPhase('pending'), running: inPhase('running') },
      listing: { seconds, ...(bytes !== undefined && { bytes }) },
      ...(credentialsEndMs !== undefined && { credentialsEnd: rfc3339(credentialsEndMs) }),
    };
  } finally {
    await slurm.close();
  }
}

function counted({ version, nodes }: Inventory): Pick<Seen, 'version' | 'nodes' | 'gpus'> {
  const equipped = nodes.map((node) => ({ ...node, isUsable: isUsable(node) }));
  return {
    ...(version !== undefined && { version }),
    nodes: { total: nodes.length, usable: equipped.filter((node) => node.isUsable).length },
    gpus: countGpus(equipped),
  };
}

const HEAD = [
  ...['NAME', 'TYPE', 'ANSWERS', 'VERSION', 'NODES', 'GPUS', 'RUNNING', 'PENDING', 'LISTING', 'TOKEN-ENDS', 'WHY'],
];

function row({
  name,
  type,
  answers,
  version,
  nodes,
  gpus,
  jobs,
  listing,
  credentialsEnd,
  why,
}: Seen): readonly string[] {
  const size = listing?.bytes === undefined ? '' : `, ${(listing.bytes / 1000).toFixed(1)} kB`;
  return [
    name,
    type,
    answers ? 'yes' : 'no',
    version ?? '-',
    nodes ? `${nodes.usable}/${nodes.total}` : '-',
    gpus ? gpusCell(gpus) : '-',
    jobs ? String(jobs.running) : '-',
    jobs ? String(jobs.pending) : '-',
    listing ? `${listing.seconds.toFixed(2)} s${size}` : '-',
    credentialsEnd ?? '-',
    // Of a table each row is one line.
    (why ?? '').replaceAll(/\s+/g, ' '),
  ];
}

function gpusCell(gpus: readonly GpuCount[]): string {
  if (gpus.length === 0) return 'none';
  return gpus.map(({ type, free, total }) => `${type === '' ? 'gpu' : type} ${free}/${total}`).join(', ');
}
