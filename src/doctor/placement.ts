import { didYouMean } from '../nearest.ts';
import { parseSlurmTime } from '../slurm/duration.ts';
import type { Partition, PartitionNode } from '../slurm/partition.ts';
import type { Check } from './checks.ts';
import type { Facts, Wish } from './facts.ts';
import { error, type Finding, warning } from './finding.ts';
import { eachWish, placementOf } from './wish.ts';

/** States in which a node will not run anything by itself. Source: sinfo(1) NODE STATE CODES. */
const UNUSABLE = ['down', 'drained', 'draining', 'fail', 'failing', 'error', 'unknown', 'inval', 'future'];

export const checkPlacement: Check = (facts) => {
  const { partitions, nodes } = facts;
  if (!partitions || !nodes) return undefined;
  const [failed] = [partitions, nodes].filter((answer) => !answer.ok);
  if (failed && !failed.ok) return undefined; // The controller's silence is told already.
  if (!partitions.ok || !nodes.ok) return undefined;
  const place = { partitions: partitions.value, nodes: nodes.value };
  return eachWish(facts, (wish) => inPartitions(wish, facts, place), JSON.stringify).map(({ thing, names }) => ({
    ...thing,
    found: `${names.join(', ')}: ${thing.found}`,
  }));
};

type Place = { readonly partitions: readonly Partition[]; readonly nodes: readonly PartitionNode[] };

function inPartitions(wish: Wish, { site }: Facts, { partitions, nodes }: Place): readonly Finding[] {
  const named = placementOf(wish, site).partitions;
  if (named.length === 0 && !partitions.some(({ isDefault }) => isDefault))
    return [
      error('no partition is named, and the cluster has no default', 'SLURM refuses the job', 'set slurm.partitions'),
    ];
  const wanted = named.length > 0 ? named : partitions.filter(({ isDefault }) => isDefault).map(({ name }) => name);
  return wanted.flatMap((name) => {
    const partition = partitions.find((one) => one.name === name);
    if (partition)
      return inPartition(
        wish,
        site,
        partition,
        nodes.filter((node) => node.partition === name),
      );
    const all = partitions.map((one) => one.name);
    return [
      error(
        `there is no partition ${name}`,
        'SLURM refuses the job',
        `${didYouMean(name, all).trim()} Set slurm.partitions to some of: ${all.join(', ')}`.trim(),
      ),
    ];
  });
}

function inPartition(
  wish: Wish,
  site: Facts['site'],
  partition: Partition,
  nodes: readonly PartitionNode[],
): readonly Finding[] {
  const { account, qos, time } = placementOf(wish, site);
  const { name } = partition;
  const seconds = time === undefined ? undefined : parseSlurmTime(time);
  const closed = (found: string, field: string) =>
    error(found, 'SLURM refuses the job, or it waits for ever', `set slurm.${field}, or another partition`);
  return [
    ...(partition.state === 'UP'
      ? []
      : [
          error(
            `partition ${name} is ${partition.state}`,
            'jobs wait until it is up',
            'name another in slurm.partitions',
          ),
        ]),
    ...(account !== undefined && isShut(account, partition.allowAccounts, partition.denyAccounts)
      ? [closed(`partition ${name} is closed to account ${account}`, 'account')]
      : []),
    ...(qos !== undefined && isShut(qos, partition.allowQos, partition.denyQos)
      ? [closed(`partition ${name} is closed to QOS ${qos}`, 'qos')]
      : []),
    ...(seconds !== undefined && seconds > partition.maxTimeSeconds
      ? [
          error(
            `a walltime of ${time} is more than partition ${name} allows (${hours(partition.maxTimeSeconds)})`,
            'SLURM refuses the job, or it waits for ever',
            `set slurm.time to ${hours(partition.maxTimeSeconds)} or less: the operator submits anew when it is used up`,
          ),
        ]
      : []),
    ...onNodes(wish, partition, nodes),
  ];
}

/** Enough nodes that have what is asked of each, in whatever state; and enough of them that run jobs now. */
function onNodes({ spec }: Wish, { name, maxNodes }: Partition, nodes: readonly PartitionNode[]): readonly Finding[] {
  const { resources } = spec;
  const wanted = words(resources.nodes, 'node');
  const suitable = nodes.filter((node) => lacksOf(node, spec).length === 0);
  const usable = suitable.filter(({ state }) => !UNUSABLE.includes(state));
  if (resources.nodes > maxNodes)
    return [
      error(
        `${wanted} are more than a job may have in partition ${name} (${maxNodes})`,
        'SLURM refuses the job, or it waits for ever',
        'set resources.nodes, or another partition',
      ),
    ];
  if (suitable.length < resources.nodes) {
    const lacks = new Set(nodes.flatMap((node) => lacksOf(node, spec)));
    return [
      error(
        `partition ${name} has ${words(suitable.length, 'node')} that could run a part of it, and it takes ${resources.nodes}: ${[...lacks].join('; ') || `it has ${words(nodes.length, 'node')} in all`}`,
        'SLURM refuses the job, or it waits for ever',
        'ask for less in resources, or name another partition',
      ),
    ];
  }
  if (usable.length >= resources.nodes) return [];
  const away = suitable.filter((node) => !usable.includes(node)).map((node) => `${node.name} ${node.state}`);
  return [
    warning(
      `of the nodes in partition ${name} that could run it ${usable.length} can now (${away.slice(0, 8).join(', ')}), and it takes ${resources.nodes}`,
      'the job waits until nodes are back',
      'ask the administrators, or name another partition besides',
    ),
  ];
}

function lacksOf(node: PartitionNode, { resources }: Wish['spec']): readonly string[] {
  const { gpusPerNode, gpuType, cpusPerTask = 1 } = resources;
  const gpus = node.gpus.filter(({ type }) => gpuType === undefined || type === gpuType);
  const have = gpus.reduce((sum, { count }) => sum + count, 0);
  const kinds = new Set(node.gpus.map(({ type }) => type).filter((type) => type !== ''));
  const other = gpuType !== undefined && kinds.size > 0 ? ` (there are: ${[...kinds].join(', ')})` : '';
  const memory = memoryMiB(resources);
  return [
    ...(have < gpusPerNode
      ? [`${have} of ${gpusPerNode} GPUs${gpuType === undefined ? '' : ` of type ${gpuType}`} on a node${other}`]
      : []),
    ...(node.cpus < cpusPerTask ? [`${node.cpus} of ${cpusPerTask} CPUs on a node`] : []),
    ...(memory !== undefined && node.memoryMiB < memory ? [`${node.memoryMiB} of ${memory} MiB memory on a node`] : []),
  ];
}

const UNITS_MIB: Readonly<Record<string, number>> = { K: 1 / 1024, '': 1, M: 1, G: 1024, T: 1024 ** 2 };

/** Of a node; a number without a unit is MiB. Source: sbatch(1) `--mem`. */
function memoryMiB({ memory, memoryPerGpu, gpusPerNode }: Wish['spec']['resources']): number | undefined {
  const text = memory ?? memoryPerGpu;
  if (text === undefined) return undefined;
  const [, count, unit = ''] = /^(\d+)([KMGT]?)$/.exec(text) ?? [];
  const one = Number(count) * (UNITS_MIB[unit] ?? 1);
  return memory === undefined ? one * gpusPerNode : one;
}

function isShut(name: string, allowed: readonly string[] | undefined, denied: readonly string[]): boolean {
  return denied.includes(name) || (allowed !== undefined && !allowed.includes(name));
}

function hours(seconds: number): string {
  const two = (count: number) => String(count).padStart(2, '0');
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

const words = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
