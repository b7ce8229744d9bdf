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

const NO_LIMIT = Number.POSITIVE_INFINITY;

/** What the command that begins so printed. */
function printed(command: string, version = '22.05.8'): string {
  const file = fileURLToPath(new URL(`../../fixtures/slurm/${version}/site.txt`, import.meta.url));
  const recorded = readFileSync(file, 'utf8');
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

for (const [version, askedAt] of [
  ['24.11.5', Date.UTC(2026, 10, 23, 20, 36, 34)],
  ['26.05.5', Date.UTC(2026, 10, 23, 20, 38, 52)],
] as const) {
  test(`a site of ${version} tells as much`, () => {
    assert.deepEqual(parsePing(printed('scontrol ping', version)), {
      hosts: [{ role: 'primary', host: 'slurmctl', isUp: true }],
    });
    assert.deepEqual(parseConfiguration(printed('scontrol show config', version)), {
      clockMs: askedAt,
      version,
      enforced: ['associations', 'limits', 'qos'],
      messageTimeoutSeconds: 10,
      slurmdPort: 6818,
    });
    const open = { denyAccounts: [], denyQos: [], state: 'UP', isDefault: false, maxNodes: NO_LIMIT };
    assert.deepEqual(parsePartitions(printed('scontrol --oneliner', version)), [
      { ...open, name: 'gpu', isDefault: true, maxTimeSeconds: 604_800 },
      { ...open, name: 'short', maxNodes: 2, maxTimeSeconds: 600 },
      { ...open, name: 'scavenge', maxTimeSeconds: 604_800 },
      { ...open, name: 'scavkill', maxTimeSeconds: 604_800 },
    ]);
    const node = { cpus: 16, memoryMiB: 64_000, gpus: [{ type: 'h100', count: 4 }] };
    const rows = [
      ['node001', 'gpu', '10.77.0.11', 'idle'],
      ['node001', 'short', '10.77.0.11', 'idle'],
      ['node002', 'gpu', '10.77.0.12', 'idle'],
      ['node002', 'short', '10.77.0.12', 'idle'],
      ['node003', 'gpu', '10.77.0.13', 'down'],
      ['node004', 'gpu', '10.77.0.14', 'drained'],
    ] as const;
    assert.deepEqual(
      parsePartitionNodes(printed('sinfo', version)),
      rows.map(([name, partition, address, state]) => ({ ...node, name, partition, address, state })),
    );
  });
}
