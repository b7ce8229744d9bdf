import { Command } from 'commander';
import { rfc3339 } from '../api/time.ts';
import { eachCluster, type Settings } from '../config.ts';
import { isUsable } from '../slurm/slurm.ts';
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
  readonly nodes?: { readonly total: number; readonly usable: number };
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
  return examples(command, [
    ['vllm-slurm clusters', 'all of them; it exits 1 when one does not answer'],
    ["vllm-slurm clusters --json | jq '.[] | select(.answers | not)'", 'for scripts'],
  ]);
}

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
    const nodes = await slurm.nodes();
    const counted = (phase: string): number => jobs.filter((job) => job.phase === phase).length;
    return {
      ...about,
      answers: true,
      ...(nodes.ok
        ? { nodes: { total: nodes.value.length, usable: nodes.value.filter(isUsable).length } }
        : { why: nodes.error.message }),
      jobs: { pending: counted('pending'), running: counted('running') },
      listing: { seconds, ...(bytes !== undefined && { bytes }) },
      ...(credentialsEndMs !== undefined && { credentialsEnd: rfc3339(credentialsEndMs) }),
    };
  } finally {
    await slurm.close();
  }
}

const HEAD = ['NAME', 'TYPE', 'ANSWERS', 'NODES', 'RUNNING', 'PENDING', 'LISTING', 'TOKEN-ENDS', 'WHY'];

function row({ name, type, answers, nodes, jobs, listing, credentialsEnd, why }: Seen): readonly string[] {
  const size = listing?.bytes === undefined ? '' : `, ${(listing.bytes / 1000).toFixed(1)} kB`;
  return [
    name,
    type,
    answers ? 'yes' : 'no',
    nodes ? `${nodes.usable}/${nodes.total}` : '-',
    jobs ? String(jobs.running) : '-',
    jobs ? String(jobs.pending) : '-',
    listing ? `${listing.seconds.toFixed(2)} s${size}` : '-',
    credentialsEnd ?? '-',
    // Of a table each row is one line.
    (why ?? '').replaceAll(/\s+/g, ' '),
  ];
}
