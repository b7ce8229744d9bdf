import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type JobRequest,
  type PlacedJob,
  type Queue,
  type QueuedJob,
  refusal,
  schedule,
} from '../../src/slurm/scheduler.ts';

const NODES = ['n1', 'n2'].map((name) => ({ name, cpus: 8, gpus: 2, up: true }));
const ANY = { name: 'any', nodes: ['n1', 'n2'], maxNodes: 2, maxTimeSeconds: Number.POSITIVE_INFINITY };
const SHORT = { ...ANY, name: 'short', maxTimeSeconds: 600, maxNodes: 1 };

const request = (differs: Partial<JobRequest> = {}): JobRequest => ({
  nodes: 1,
  cpusPerNode: 1,
  gpusPerNode: 2,
  timeLimitSeconds: Number.POSITIVE_INFINITY,
  partitions: [],
  exclude: [],
  nodelist: [],
  singleton: false,
  ...differs,
});
const waiting = (order: number, differs: Partial<JobRequest> = {}, name = `job${order}`): QueuedJob => ({
  order,
  name,
  user: 'me',
  request: request(differs),
});
const placed = (order: number, node: string, differs: Partial<PlacedJob> = {}): PlacedJob => ({
  order,
  name: `job${order}`,
  user: 'me',
  completing: false,
  grants: [{ node, cpus: 1, gpus: [0, 1] }],
  ...differs,
});
const queue = (differs: Partial<Queue>): Queue => ({
  waiting: [],
  placed: [],
  nodes: NODES,
  partitions: [ANY, SHORT],
  ...differs,
});

const start = (node: string, gpus: readonly number[] = [0, 1], partition = 'any') => ({
  start: true,
  partition,
  grants: [{ node, cpus: 1, gpus }],
});
const wait = (reason: string) => ({ start: false, reason });
const DOWN = 'Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions';

const CASES: Readonly<Record<string, { readonly of: Partial<Queue>; readonly verdicts: readonly unknown[] }>> = {
  'a job that fits starts on the first node with room': { of: { waiting: [waiting(1)] }, verdicts: [start('n1')] },
  'jobs share a node slot by slot': {
    of: { waiting: [waiting(1, { gpusPerNode: 1 }), waiting(2, { gpusPerNode: 1 }), waiting(3, { gpusPerNode: 1 })] },
    verdicts: [start('n1', [0]), start('n1', [1]), start('n2', [0])],
  },
  'the first in line waits for resources, the next for its turn': {
    of: { placed: [placed(1, 'n1'), placed(2, 'n2')], waiting: [waiting(3), waiting(4)] },
    verdicts: [wait('Resources'), wait('Priority')],
  },
  'a small job passes a large one that cannot start': {
    of: { placed: [placed(1, 'n1')], waiting: [waiting(2, { nodes: 2 }), waiting(3)] },
    verdicts: [wait('Resources'), start('n2')],
  },
  'a job over two nodes is granted slots on both': {
    of: { waiting: [waiting(1, { nodes: 2, gpusPerNode: 1 })] },
    verdicts: [
      {
        start: true,
        partition: 'any',
        grants: [
          { node: 'n1', cpus: 1, gpus: [0] },
          { node: 'n2', cpus: 1, gpus: [0] },
        ],
      },
    ],
  },
  'completing jobs hold their slots': {
    of: { placed: [placed(1, 'n1', { completing: true }), placed(2, 'n2')], waiting: [waiting(3)] },
    verdicts: [wait('Resources')],
  },
  'a singleton waits for its running twin, and nobody waits for the singleton': {
    of: { placed: [placed(1, 'n1', { name: 'twin' })], waiting: [waiting(2, { singleton: true }, 'twin'), waiting(3)] },
    verdicts: [wait('Dependency'), start('n2')],
  },
  'of two waiting twins the older starts': {
    of: { waiting: [waiting(1, { singleton: true }, 'twin'), waiting(2, { singleton: true }, 'twin')] },
    verdicts: [start('n1'), wait('Dependency')],
  },
  'a singleton does not wait for a completing twin': {
    of: {
      placed: [placed(1, 'n1', { name: 'twin', completing: true })],
      waiting: [waiting(2, { singleton: true }, 'twin')],
    },
    verdicts: [start('n2')],
  },
  'a job of the same name by another user is no twin': {
    of: {
      placed: [placed(1, 'n1', { name: 'twin', user: 'you' })],
      waiting: [waiting(2, { singleton: true }, 'twin')],
    },
    verdicts: [start('n2')],
  },
  'without singleton twins run together': {
    of: { placed: [placed(1, 'n1', { name: 'twin' })], waiting: [waiting(2, {}, 'twin')] },
    verdicts: [start('n2')],
  },
  'an excluded node is passed over': { of: { waiting: [waiting(1, { exclude: ['n1'] })] }, verdicts: [start('n2')] },
  'a job that excludes every node can never start': {
    of: { waiting: [waiting(1, { exclude: ['n1', 'n2'] }), waiting(2)] },
    verdicts: [wait('BadConstraints'), start('n1')],
  },
  'a job that excludes the free node waits for the other': {
    of: { placed: [placed(1, 'n1')], waiting: [waiting(2, { exclude: ['n2'] })] },
    verdicts: [wait('Resources')],
  },
  'a required node is in the allocation': {
    of: { waiting: [waiting(1, { nodelist: ['n2'] })] },
    verdicts: [start('n2')],
  },
  'a required node that is down is named': {
    of: {
      nodes: [
        { name: 'n1', cpus: 8, gpus: 2, up: true },
        { name: 'n2', cpus: 8, gpus: 2, up: false },
      ],
      waiting: [waiting(1, { nodelist: ['n2'] })],
    },
    verdicts: [wait('ReqNodeNotAvail, UnavailableNodes:n2')],
  },
  'when too many nodes are down the job waits for them': {
    of: { nodes: NODES.map((node) => ({ ...node, up: false })), waiting: [waiting(1)] },
    verdicts: [wait(DOWN)],
  },
  'a time limit beyond the partition keeps a job waiting': {
    of: { waiting: [waiting(1, { partitions: ['short'], timeLimitSeconds: 601 })] },
    verdicts: [wait('PartitionTimeLimit')],
  },
  'more nodes than the partition allows keep a job waiting': {
    of: { waiting: [waiting(1, { partitions: ['short'], nodes: 2 })] },
    verdicts: [wait('PartitionNodeLimit')],
  },
  'the first partition that can start a job has it': {
    of: { waiting: [waiting(1, { partitions: ['short', 'any'], timeLimitSeconds: 3600 })] },
    verdicts: [start('n1', [0, 1], 'any')],
  },
};

for (const [name, { of, verdicts }] of Object.entries(CASES)) {
  test(name, () => {
    const whole = queue(of);
    const decided = schedule(whole);
    assert.deepEqual(
      whole.waiting.map((job) => decided.get(job.order)),
      verdicts,
    );
  });
}

test('a request no node could ever meet is refused in Slurm’s words', () => {
  const cluster = { nodes: NODES, partitions: [ANY] };
  assert.deepEqual(
    [
      request(),
      request({ gpusPerNode: 3 }),
      request({ cpusPerNode: 9 }),
      request({ partitions: ['nowhere'] }),
      request({ nodelist: ['n9'] }),
    ].map((one) => refusal(one, cluster)),
    [
      undefined,
      'Requested node configuration is not available',
      'Requested node configuration is not available',
      'Invalid partition name specified',
      'Invalid node name specified',
    ],
  );
});

test('no slot is ever granted twice, and no singleton starts beside a running twin', () => {
  const job = fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    gpusPerNode: fc.integer({ min: 0, max: 2 }),
    nodes: fc.integer({ min: 1, max: 2 }),
    exclude: fc.subarray(['n1', 'n2']),
  });
  fc.assert(
    fc.property(fc.array(job, { maxLength: 12 }), (jobs) => {
      const whole = queue({
        waiting: jobs.map(({ name, ...asks }, order) => waiting(order, { ...asks, singleton: true }, name)),
      });
      const decided = schedule(whole);
      const started = whole.waiting.flatMap((one) => {
        const verdict = decided.get(one.order);
        return verdict?.start ? [{ name: one.name, grants: verdict.grants }] : [];
      });
      const slots = started.flatMap(({ grants }) =>
        grants.flatMap(({ node, gpus }) => gpus.map((gpu) => `${node}/${gpu}`)),
      );
      assert.equal(new Set(slots).size, slots.length);
      const names = started.map(({ name }) => name);
      assert.equal(new Set(names).size, names.length);
    }),
  );
});
