import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SpecInput } from '../../src/api/spec.ts';
import { until } from './operator/until.ts';
import { FAULTS, type FaultName, injectAndLog, keepAway, takePorts } from './serving/faults.ts';
import { faultToResubmit, jobsOf, type QueuedJob } from './serving/resubmission.ts';
import { standIn } from './serving/specs.ts';
import { setStage } from './serving/stage.ts';
import { whyNoBed } from './slurm-bed/bed.ts';

/**
 * A replica over two nodes, by real torchrun on real SLURM, and what befalls it: the allocation ends as a whole, the
 * cause is on the object, the node at fault is left out, and another attempt serves. The engine is the stand-in.
 */

const READY_MS = 300_000;
/** From fault to the next `sbatch`, at probes as a deployment has them by default. */
const WITHIN_MS = { ends: 30_000, silent: 90_000 } as const;

/** What a rank that lives on says of the one that was killed may be read in the log before the end is known. */
const LOST_PEER = ['EngineFailed', 'CommunicationFailed'];
const EXPECTED: Readonly<
  Record<FaultName, { readonly reasons: readonly string[]; readonly blamed: 'head' | 'peer' | 'nobody' }>
> = {
  'rank of a peer killed': { reasons: LOST_PEER, blamed: 'nobody' },
  'rank of the head killed': { reasons: LOST_PEER, blamed: 'nobody' },
  'all processes of a peer killed': { reasons: ['NodeFailed'], blamed: 'peer' },
  'power of a peer failed': { reasons: ['NodeFailed'], blamed: 'peer' },
  'power of the head failed': { reasons: ['NodeFailed'], blamed: 'head' },
  'network of a peer cut': { reasons: ['NodeFailed'], blamed: 'peer' },
  // On a machine too busy to run a command on the node within 10 s the node counts as lost; it is left out all the same.
  'rank of a peer stopped': { reasons: ['EngineHung', 'NodeFailed'], blamed: 'peer' },
};

describe('a replica over two nodes', { skip: whyNoBed() ?? false, concurrency: 3 }, () => {
  const on = setStage({ nodes: 8 });

  /** A fault hits all that is on a node. */
  const alone = (): SpecInput => ({ ...standIn(on.vllm.venv), slurm: { extraArgs: ['--exclusive'] } });

  /** Its newest job, with the nodes it has been given. */
  const placed = (name: string): Promise<QueuedJob> =>
    until(`nodes for ${name}`, async () => {
      const job = (await jobsOf(on.bed, name)).at(-1);
      return job?.nodes.length === 2 ? job : undefined;
    });

  for (const [i, fault] of FAULTS.entries()) {
    test(`${fault.name}: told, and replaced`, async () => {
      const name = `fault-${i}`;
      await on.desk.write(name, alone());
      await on.desk.ready(name, READY_MS);
      const job = await placed(name);
      const [head = '', peer = ''] = job.nodes;
      try {
        const atMs = await injectAndLog(on.bed, fault, { head, peer });
        const resubmitMs = await faultToResubmit(on.bed, name, job.id, atMs, 2 * WITHIN_MS[fault.kind]);
        await on.desk.ready(name, READY_MS);
        const { lastFailure, excludedNodes = [] } = await on.desk.status(name);
        const { reasons, blamed } = EXPECTED[fault.name];
        assert.deepEqual(
          {
            told: reasons.includes(lastFailure?.reason ?? '') || lastFailure,
            job: lastFailure?.jobId,
            excluded: excludedNodes.map((node) => node.name),
          },
          { told: true, job: job.id, excluded: blamed === 'nobody' ? [] : [{ head, peer }[blamed]] },
        );
        const next = await placed(name);
        assert.deepEqual(
          excludedNodes.filter((node) => next.nodes.includes(node.name)),
          [],
        );
        assert.ok(resubmitMs <= WITHIN_MS[fault.kind], `the next attempt was submitted after ${resubmitMs} ms`);
      } finally {
        await fault.heal(on.bed, { head, peer });
        await on.desk.remove(name);
      }
    });
  }

  test('a peer that never comes to the meeting: told, and tried again', async () => {
    await on.desk.write('lonely', {
      ...alone(),
      launcher: { type: 'torchrun', rendezvous: { timeoutSeconds: 30 } },
    });
    const job = await placed('lonely');
    await keepAway(on.bed, job.nodes[1] ?? '');
    const { lastFailure } = await on.desk.shows(
      'lonely',
      'a failure',
      READY_MS,
      (status) => status.lastFailure !== undefined,
    );
    assert.deepEqual([lastFailure?.reason, lastFailure?.jobId], ['CommunicationFailed', job.id]);
    await on.desk.ready('lonely', READY_MS);
    await on.desk.remove('lonely');
  });

  test('ports that are taken: passed over while there is another, told when there is none', async () => {
    const spec = { ...alone(), endpoint: { portRange: '28400-28401' } };
    const [one, both] = ['28400', '28401'];
    const holders = await Promise.all(
      on.bed.nodeNames.map((node) => takePorts(on.bed, node, Number(one), Number(one))),
    );
    await on.desk.write('squeezed', spec);
    await on.desk.ready('squeezed', READY_MS);
    assert.deepEqual(
      (await on.desk.status('squeezed')).endpoints?.map(({ port }) => port),
      [Number(both)],
    );
    await on.desk.remove('squeezed');
    const more = await Promise.all(on.bed.nodeNames.map((node) => takePorts(on.bed, node, Number(both), Number(both))));
    await on.desk.write('crowded', spec);
    const { lastFailure } = await on.desk.shows(
      'crowded',
      'a failure',
      READY_MS,
      (status) => status.lastFailure !== undefined,
    );
    assert.deepEqual([lastFailure?.reason, lastFailure?.exitCode], ['PortInUse', 66]);
    await Promise.all([...holders, ...more].map((holder) => holder.end()));
    await on.desk.ready('crowded', READY_MS);
    await on.desk.remove('crowded');
  });
});
