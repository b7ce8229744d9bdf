import type { Association, ClusterConfiguration, Controller, Qos } from '../association.ts';
import { parseSlurmTime } from '../duration.ts';
import { readGpus } from '../gpus.ts';
import type { Partition, PartitionNode } from '../partition.ts';
import type { Command } from './command-line.ts';
import { withoutFlags } from './sinfo.ts';
import { readTime, TIME_ENVIRONMENT } from './time.ts';

/** What a site is like: asked when somebody wants to know, never by the operator's loop. */

export const PING_COMMAND: Command = { program: 'scontrol', args: ['ping'] };
export const CONFIGURATION_COMMAND: Command = {
  program: 'scontrol',
  args: ['show', 'config'],
  environment: TIME_ENVIRONMENT,
};
export const PARTITIONS_COMMAND: Command = { program: 'scontrol', args: ['--oneliner', '--all', 'show', 'partition'] };
/** A line a node and partition. The GPUs last: they alone may hold signs of any kind. */
export const PARTITION_NODES_COMMAND: Command = {
  program: 'sinfo',
  args: ['--noheader', '--Node', '--all', '--format=%N=%R=%o=%T=%c=%m=%G'],
};
export const QOS_COMMAND: Command = {
  program: 'sacctmgr',
  args: ['--parsable2', '--noheader', 'show', 'qos', 'format=name,maxsubmitjobsperuser,maxwall'],
};

/** @param user a plain word */
export const associationsCommand = (user: string): Command => ({
  program: 'sacctmgr',
  args: [
    ...['--parsable2', '--noheader', 'show', 'associations', 'where', `user=${user}`],
    'format=account,partition,qos,maxsubmitjobs,maxwall',
  ],
});
export const defaultAccountCommand = (user: string): Command => ({
  program: 'sacctmgr',
  args: ['--parsable2', '--noheader', 'show', 'user', 'where', `name=${user}`, 'format=defaultaccount'],
});

export function parsePing(output: string): Controller {
  const lines = [...output.matchAll(/^Slurmctld\((\w+)\) at (\S+) is (\w+)/gm)];
  return { hosts: lines.map(([, role = '', host = '', state]) => ({ role, host, isUp: state === 'UP' })) };
}

export function parseConfiguration(output: string): ClusterConfiguration {
  const value = (key: string) => new RegExp(`^${key}\\s+= (.*)$`, 'm').exec(output)?.[1]?.trim();
  const number = (key: string) => {
    const text = /^\d+/.exec(value(key) ?? '')?.[0];
    return text === undefined ? undefined : Number(text);
  };
  const enforced = value('AccountingStorageEnforce') ?? 'none';
  return {
    clockMs: readTime(/^Configuration data as of (\S+)/m.exec(output)?.[1] ?? ''),
    version: value('SLURM_VERSION'),
    enforced: enforced === 'none' ? [] : enforced.split(','),
    messageTimeoutSeconds: number('MessageTimeout'),
    slurmdPort: number('SlurmdPort'),
  };
}

export function parsePartitions(output: string): readonly Partition[] {
  return output.split('\n').flatMap((line) => {
    const value = (key: string) => new RegExp(`(?:^| )${key}=(\\S*)`).exec(line)?.[1];
    const name = value('PartitionName');
    if (name === undefined) return [];
    const allowAccounts = listed(value('AllowAccounts'));
    const allowQos = listed(value('AllowQos'));
    return [
      {
        name,
        state: value('State') ?? 'UNKNOWN',
        isDefault: value('Default') === 'YES',
        ...(allowAccounts && { allowAccounts }),
        denyAccounts: listed(value('DenyAccounts')) ?? [],
        ...(allowQos && { allowQos }),
        denyQos: listed(value('DenyQos')) ?? [],
        maxNodes: limit(value('MaxNodes')),
        maxTimeSeconds: parseSlurmTime(value('MaxTime') ?? '') ?? Number.POSITIVE_INFINITY,
      },
    ];
  });
}

export function parsePartitionNodes(output: string): readonly PartitionNode[] {
  return output.split('\n').flatMap((line) => {
    const found = /^([^\s=]+)=([^\s=]+)=([^\s=]+)=([^\s=]+)=(\d+)\+?=(\d+)\+?=(.*)$/.exec(line);
    if (!found) return [];
    const [, name = '', partition = '', address = '', state = '', cpus, memory, gres = ''] = found;
    return [
      {
        name,
        partition,
        address,
        state: withoutFlags(state),
        cpus: Number(cpus),
        memoryMiB: Number(memory),
        gpus: readGpus(gres),
      },
    ];
  });
}

export function parseAssociations(output: string, defaultAccount: string): readonly Association[] {
  return rows(output, 5).map(([account = '', partition = '', qos = '', submit = '', wall = '']) => ({
    account,
    ...(partition !== '' && { partition }),
    qos: qos.split(',').filter((name) => name !== ''),
    isDefault: account === defaultAccount.trim(),
    maxSubmitJobs: limit(submit),
    maxWallSeconds: wallSeconds(wall),
  }));
}

export function parseQos(output: string): readonly Qos[] {
  return rows(output, 3).map(([name = '', submit = '', wall = '']) => ({
    name,
    maxSubmitJobsPerUser: limit(submit),
    maxWallSeconds: wallSeconds(wall),
  }));
}

function rows(output: string, fields: number): readonly (readonly string[])[] {
  return output
    .split('\n')
    .map((line) => line.split('|'))
    .filter((row) => row.length === fields);
}

/** Undefined for `ALL` and nothing. */
function listed(text: string | undefined): readonly string[] | undefined {
  return text === undefined || text === '' || /^(ALL|\(null\))$/.test(text) ? undefined : text.split(',');
}

function limit(text: string | undefined): number {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY;
}

function wallSeconds(text: string): number {
  return parseSlurmTime(text) ?? Number.POSITIVE_INFINITY;
}
