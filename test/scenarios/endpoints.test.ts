import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { type Behaviour, serves, thenHangs } from '../../src/slurm/simulated/behaviour.ts';
import { deployment } from '../gen/deployment.ts';
import { createScenario, type Scenario } from './scenario.ts';

const MINUTE = 60_000;
const PATIENT = { probes: { startup: { timeoutSeconds: 300 } } };

/** Serves like any other and reports something else. */
function claiming(report: { readonly node?: string; readonly port?: number }, answers = true): Behaviour {
  const honest = serves({ port: 20_000 });
  const steps = honest.steps
    .filter((step) => answers || step.does !== 'answer')
    .map((step) => (step.does === 'report' ? { ...step, report: { ...step.report, ...report } } : step));
  return { ...honest, steps };
}

function withFirst(behaviour: Behaviour): Scenario {
  const behave = ({ serial }: { readonly serial: number }) =>
    serial === 0 ? behaviour : serves({ port: 20_100 + serial });
  const scenario = createScenario({ cluster: { behave } });
  scenario.apply('chat', deployment(PATIENT));
  scenario.start();
  return scenario;
}

describe('what a job says of its endpoint is checked', () => {
  for (const [title, report, words] of [
    ['a node that is not of its allocation', { node: 'node004' }, /node004, which is not in its allocation/],
    ['the loopback of whoever believes it', { node: 'localhost' }, /localhost, which is not in its allocation/],
    ['a port below the range', { port: 22 }, /port 22, outside 20000-30000/],
    ['a port above the range', { port: 30_001 }, /port 30001, outside 20000-30000/],
  ] as const) {
    it(`${title} is refused, said, and given up at the startup deadline`, async () => {
      const scenario = withFirst(claiming(report));
      await scenario.advance(MINUTE);
      const ready = scenario.condition('chat', 'Ready');
      assert.deepEqual(
        { reason: ready?.reason, url: scenario.resource('chat')?.status.url },
        { reason: 'EndpointRefused', url: undefined },
      );
      assert.match(ready?.message ?? '', words);
      await scenario.until('another attempt serves', () => scenario.isReady('chat'), 20 * MINUTE);
      assert.equal(scenario.resource('chat')?.status.lastFailure?.reason, 'StartupTimeout');
    });
  }

  it('another job’s port, which answers, is not believed', async () => {
    const scenario = createScenario({
      cluster: {
        behave: ({ serial }) => (serial === 0 ? serves({ port: 20_000 }) : claiming({ port: 20_000 }, false)),
      },
    });
    scenario.apply('chat', deployment(PATIENT));
    scenario.start();
    await scenario.until('the honest one is ready', () => scenario.isReady('chat'));
    scenario.apply('embed', deployment(PATIENT));
    await scenario.advance(MINUTE);
    const [honest, liar] = [scenario.jobs('chat')[0], scenario.jobs('embed')[0]];
    assert.equal(honest?.job.grants[0]?.node, liar?.job.grants[0]?.node, 'both are on one node');
    assert.equal(scenario.isReady('embed'), false);
  });
});

test('an endpoint that hangs is unpublished within its window, given up after a minute and a half, and replaced', async () => {
  const scenario = withFirst(thenHangs(serves({ port: 20_000 }), 10 * MINUTE));
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  await scenario.until('it is no longer', () => !scenario.isReady('chat'), 11 * MINUTE);
  assert.deepEqual(
    { url: scenario.resource('chat')?.status.url, jobs: scenario.jobs('chat').length },
    { url: undefined, jobs: 1 },
  );
  await scenario.until('another attempt serves', () => scenario.isReady('chat'), 5 * MINUTE);
  assert.deepEqual(
    { submits: scenario.asked('submit'), reason: scenario.resource('chat')?.status.lastFailure?.reason },
    { submits: ['chat.r0.a1', 'chat.r0.a2'], reason: 'Unresponsive' },
  );
});

test('one probe that fails is no fault: nothing is given up for a moment’s silence', async () => {
  const scenario = withFirst(serves({ port: 20_000 }));
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  scenario.cutNetwork(14_000);
  await scenario.advance(10 * MINUTE);
  assert.deepEqual(
    {
      ready: scenario.isReady('chat'),
      readied: scenario.events('chat').filter(({ reason }) => reason === 'Ready').length,
    },
    { ready: true, readied: 1 },
  );
});

test('what a lost node left running and comes back to answer is nobody’s endpoint', async () => {
  const scenario = withFirst(serves({ port: 20_000 }));
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  scenario.cluster.control.failNode('node001', { detectMs: 20_000, forMs: 30_000, ghostMs: 60 * MINUTE });
  await scenario.until(
    'another serves',
    () => scenario.isReady('chat') && scenario.jobs('chat')[0]?.identity.attempt === 2,
  );
  await scenario.advance(30 * MINUTE);
  const [endpoint, ...others] = scenario.resource('chat')?.status.endpoints ?? [];
  assert.deepEqual(
    { jobId: endpoint?.jobId, others, ghost: scenario.cluster.inspect.answering('10.0.0.0', 20_000)?.id },
    { jobId: '2', others: [], ghost: '1' },
  );
});

test('a comment lost with slurmctld’s last seconds does not unpublish an endpoint', async () => {
  const scenario = withFirst(serves({ port: 20_000 }));
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  const [one] = scenario.jobs('chat');
  scenario.cluster.control.setComment(one?.job.serial ?? -1, one?.job.comment.split('|', 1)[0] ?? '');
  await scenario.advance(60 * MINUTE);
  assert.deepEqual(
    { ready: scenario.isReady('chat'), submits: scenario.asked('submit') },
    { ready: true, submits: ['chat.r0.a1'] },
  );
});
