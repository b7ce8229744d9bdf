import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  parseAssociations,
  parseConfiguration,
  parsePartitionNodes,
  parsePartitions,
  parsePing,
  parseQos,
} from '../../../src/slurm/cli/site.ts';

const recorded = readFileSync(fileURLToPath(new URL('../../fixtures/slurm/22.05.8/site.txt', import.meta.url)), 'utf8');
const NO_LIMIT = Number.POSITIVE_INFINITY;

/** What the command that begins so printed. */
function printed(command: string): string {
  const part = recorded.split(/^\$ /m).find((text) => text.startsWith(command)) ?? '';
  return part.slice(part.indexOf('\n') + 1);
}

test('which controllers there are, and which of them answer', () => {
  assert.deepEqual(parsePing(printed('scontrol ping')), {
    hosts: [{ role: 'primary', host: 'slurmctl', isUp: true }],
  });
  assert.deepEqual(parsePing('Slurmctld(primary) at a is DOWN\nSlurmctld(backup) at b is UP\n'), {
    hosts: [
      { role: 'primary', host: 'a', isUp: false },
      { role: 'backup', host: 'b', isUp: true },
    ],
  });
});

test("the controller's clock, version and rules", () => {
  assert.deepEqual(parseConfiguration(printed('scontrol show config')), {
    clockMs: Date.UTC(2026, 10, 23, 20, 35, 49),
    version: '22.05.8',
    enforced: ['associations', 'limits', 'qos'],
    messageTimeoutSeconds: 10,
    slurmdPort: 6818,
  });
  const bare = { version: undefined, enforced: [], messageTimeoutSeconds: undefined, slurmdPort: undefined };
  assert.deepEqual(parseConfiguration('Configuration data as of 1795519491\nAccountingStorageEnforce = none\n'), {
    ...bare,
    clockMs: 1_795_519_491_000,
  });
  assert.deepEqual(parseConfiguration(''), { ...bare, clockMs: undefined });
});

test('partitions with whom they are for and how much they allow', () => {
  const open = { denyAccounts: [], denyQos: [], state: 'UP' };
  assert.deepEqual(parsePartitions(printed('scontrol --oneliner')), [
    { ...open, name: 'gpu', isDefault: true, maxNodes: NO_LIMIT, maxTimeSeconds: NO_LIMIT },
    { ...open, name: 'short', isDefault: false, maxNodes: 2, maxTimeSeconds: 600 },
  ]);
  assert.deepEqual(
    parsePartitions('PartitionName=x AllowAccounts=a,b DenyQos=low AllowQos=ALL MaxTime=1-00:00:00 State=DRAIN'),
    [
      {
        ...open,
        name: 'x',
        state: 'DRAIN',
        isDefault: false,
        allowAccounts: ['a', 'b'],
        denyQos: ['low'],
        maxNodes: NO_LIMIT,
        maxTimeSeconds: 86_400,
      },
    ],
  );
});

test('nodes of each partition with their GPUs by type', () => {
  const node = { address: '127.0.0.1', cpus: 16, memoryMiB: 64_000 };
  const four = [{ type: '', count: 4 }];
  assert.deepEqual(parsePartitionNodes(printed('sinfo')), [
    { ...node, name: 'node001', partition: 'gpu', state: 'mixed', gpus: four },
    { ...node, name: 'node001', partition: 'short', state: 'mixed', gpus: four },
    {
      ...node,
      name: 'node002',
      partition: 'gpu',
      state: 'idle',
      gpus: [
        { type: 'h100', count: 4 },
        { type: 'a100', count: 2 },
      ],
    },
    { ...node, name: 'node003', partition: 'gpu', state: 'idle', gpus: [] },
  ]);
});

test('accounts and QOS with their limits; no limit is none', () => {
  const free = { maxSubmitJobs: NO_LIMIT, maxWallSeconds: NO_LIMIT };
  const answer = parseAssociations(printed('sacctmgr --parsable2 --noheader show associations'), 'ml\n');
  assert.deepEqual(answer, [
    { ...free, account: 'ml', qos: ['normal', 'tiny'], isDefault: true },
    { ...free, account: 'root', qos: ['normal'], isDefault: false },
  ]);
  assert.deepEqual(parseQos(printed('sacctmgr --parsable2 --noheader show qos')), [
    { name: 'normal', maxSubmitJobsPerUser: NO_LIMIT, maxWallSeconds: NO_LIMIT },
    { name: 'tiny', maxSubmitJobsPerUser: 1, maxWallSeconds: NO_LIMIT },
    { name: 'long', maxSubmitJobsPerUser: NO_LIMIT, maxWallSeconds: 604_800 },
  ]);
});
