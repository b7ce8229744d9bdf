import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NAME, scriptOf, simulatedBed } from './bed.ts';

const kindOf = (answer: { readonly ok: boolean; readonly error?: { readonly kind: string } }) =>
  answer.ok ? 'ok' : answer.error?.kind;

test('while Slurm is unreachable no call is answered and none does anything', async () => {
  const bed = simulatedBed();
  const id = await bed.submit(NAME);
  const ref = await bed.refTo(id);
  const on = ['listJobs', 'describe', 'history', 'submit', 'cancel', 'nodes'] as const;
  bed.control.setFault({ fault: { kind: 'unreachable' }, on, untilMs: bed.clock.now() + 60_000 });
  const { slurm } = bed;
  const answers = [
    await slurm.listJobs(),
    await slurm.describe([ref]),
    await slurm.history([NAME], 0),
    await bed.send('vllm.default.llama.r0.a2'),
    await slurm.cancel(ref),
    await slurm.nodes(),
  ];
  assert.deepEqual(answers.map(kindOf), Array(6).fill('unreachable'));
  await bed.clock.advance(60_000);
  assert.deepEqual(await bed.states(), ['1 RUNNING None']);
});

test('a submission that timed out may have taken effect, may do so later, or never', async () => {
  const bed = simulatedBed();
  const names = ['now', 'later', 'never'].map((word) => `vllm.default.${word}.r0.a1`);
  const effects = ['now', { afterMs: 45_000 }, 'none'] as const;
  for (const [index, jobName] of names.entries()) {
    const effect = effects[index] ?? 'none';
    bed.control.setFault({ fault: { kind: 'unknown', effect }, on: ['submit'], jobName });
    assert.equal(kindOf(await bed.send(jobName)), 'unknown');
  }
  const listed = async () => (await bed.list()).map((job) => job.name);
  assert.deepEqual([await listed(), bed.inspect.inFlight()], [[names[0]], [names[1]]]);
  await bed.clock.advance(45_000);
  assert.deepEqual([await listed(), bed.inspect.inFlight()], [[names[0], names[1]], []]);
});

test('the time a late submission takes to land comes from the seed', async () => {
  const landing = async (seed: number) => {
    const bed = simulatedBed({ seed });
    bed.control.setFault({ fault: { kind: 'unknown', effect: { withinMs: 60_000 } }, on: ['submit'] });
    await bed.send(NAME);
    return (bed.inspect.nextChangeMs() ?? 0) - bed.clock.now();
  };
  assert.equal(await landing(7), await landing(7));
  assert.notEqual(await landing(7), await landing(8));
});

test('an acknowledged submission may be lost, and its id goes to the next', async () => {
  const bed = simulatedBed();
  bed.control.setFault({ fault: { kind: 'lost' }, on: ['submit'] });
  assert.deepEqual(await bed.send(NAME), { ok: true, value: '1' });
  assert.deepEqual(await bed.states(), []);
  assert.equal(await bed.submit('vllm.default.other.r0.a1'), '1');
});

test('an acknowledged cancel may be lost', async () => {
  const bed = simulatedBed();
  const ref = await bed.refTo(await bed.submit(NAME));
  bed.control.setFault({ fault: { kind: 'lost' }, on: ['cancel'] });
  assert.deepEqual(await bed.slurm.cancel(ref), { ok: true, value: undefined });
  assert.deepEqual(await bed.states(), ['1 PENDING None']);
});

test('half a listing is unknown, never short', async () => {
  const bed = simulatedBed();
  await bed.submit(NAME);
  bed.control.setFault({ fault: { kind: 'unknown' }, on: ['listJobs'], times: 2 });
  assert.deepEqual(
    [kindOf(await bed.slurm.listJobs()), kindOf(await bed.slurm.listJobs()), kindOf(await bed.slurm.listJobs())],
    ['unknown', 'unknown', 'ok'],
  );
});

test('a stale listing shows the cluster as it was', async () => {
  const bed = simulatedBed();
  await bed.clock.advance(60_000);
  await bed.submit(NAME);
  bed.control.setFault({ fault: { kind: 'stale', ageMs: 10_000 }, on: ['listJobs'], times: 2 });
  assert.deepEqual(await bed.states(), []);
  await bed.clock.advance(10_500);
  assert.deepEqual(await bed.states(), ['1 PENDING None']);
  assert.deepEqual(await bed.states(), ['1 RUNNING None']);
});

test('a crashed controller forgets the last seconds: jobs, cancels of pending ones, and comments', async () => {
  const bed = simulatedBed({ startDelayMs: 20_000 });
  await bed.submit('vllm.default.old.r0.a1');
  const cancelled = await bed.refTo('1');
  await bed.clock.advance(10_000);
  await bed.slurm.cancel(cancelled);
  await bed.submit('vllm.default.new.r0.a1');
  await bed.clock.advance(2000);
  bed.control.crashController(5000);
  assert.deepEqual(
    (await bed.list()).map((job) => [job.id, job.name, job.state]),
    [['1', 'vllm.default.old.r0.a1', 'RUNNING']],
  );
  assert.deepEqual(
    bed.inspect.jobs().map((job) => [job.name, job.lost]),
    [
      ['vllm.default.old.r0.a1', false],
      ['vllm.default.new.r0.a1', true],
    ],
  );
  assert.equal(await bed.submit('vllm.default.third.r0.a1'), '2');
});

test('a slow answer is right and comes late', async () => {
  const bed = simulatedBed();
  bed.control.setFault({ fault: { kind: 'slow' }, on: ['submit'], answersAfterMs: 9000 });
  let answered: unknown;
  void bed.send(NAME).then((answer) => {
    answered = answer;
  });
  await bed.clock.advance(8999);
  assert.deepEqual([answered, bed.inspect.live().length], [undefined, 1]);
  await bed.clock.advance(1);
  assert.deepEqual(answered, { ok: true, value: '1' });
});

test('a fault strikes as often as it was told to, at the calls it was told to', async () => {
  const bed = simulatedBed();
  const now = bed.clock.now();
  const reject = { kind: 'rejected', message: 'QOSMaxSubmitJobPerUserLimit' } as const;
  bed.control.setFault({ fault: reject, on: ['submit'], jobName: 'vllm.default.a.r0.a1', times: 2 });
  bed.control.setFault({ fault: { kind: 'unreachable' }, on: ['nodes'], fromMs: now + 1000, untilMs: now + 2000 });
  const names = ['a', 'b', 'a', 'a'].map((word) => `vllm.default.${word}.r0.a1`);
  const kinds = [];
  for (const name of names) kinds.push(kindOf(await bed.send(name)));
  assert.deepEqual(kinds, ['rejected', 'ok', 'rejected', 'ok']);
  const nodes = [];
  for (const ms of [999, 1, 999, 1]) {
    await bed.clock.advance(ms);
    nodes.push(kindOf(await bed.slurm.nodes()));
  }
  assert.deepEqual(nodes, ['ok', 'unreachable', 'unreachable', 'ok']);
});

test('healing ends every fault at once', async () => {
  const bed = simulatedBed();
  bed.control.setFault({ fault: { kind: 'unreachable' }, on: ['nodes'], times: 100, chance: 1 });
  assert.equal(kindOf(await bed.slurm.nodes()), 'unreachable');
  bed.control.heal();
  assert.equal(kindOf(await bed.slurm.nodes()), 'ok');
});

test('the log keeps what was asked, what struck and what was answered', async () => {
  const bed = simulatedBed();
  await bed.submit(NAME);
  bed.control.setFault({ fault: { kind: 'lost' }, on: ['cancel'] });
  await bed.slurm.cancel({ id: '1', name: NAME, user: 'op', submitMs: bed.clock.now() });
  const atMs = bed.clock.now();
  assert.deepEqual(bed.inspect.calls(), [
    {
      name: 'submit',
      atMs,
      jobNames: [NAME],
      jobIds: [],
      script: scriptOf(NAME),
      fault: undefined,
      result: { ok: true, value: '1' },
    },
    { name: 'cancel', atMs, jobNames: [NAME], jobIds: ['1'], fault: 'lost', result: { ok: true, value: undefined } },
  ]);
});

test('the same seed and the same calls give the same history', async () => {
  const story = async () => {
    const bed = simulatedBed({ seed: 42 });
    const on = ['submit', 'cancel', 'listJobs'] as const;
    bed.control.setFault({
      fault: { kind: 'unknown', effect: { withinMs: 60_000 } },
      on,
      untilMs: Infinity,
      chance: 0.3,
    });
    for (let attempt = 1; attempt <= 30; attempt++) {
      await bed.send(`vllm.default.llama.r${attempt % 3}.a${attempt}`, '--dependency=singleton');
      await bed.clock.advance(7000);
      const jobs = await bed.slurm.listJobs();
      if (jobs.ok && jobs.value.jobs[0]) await bed.slurm.cancel(jobs.value.jobs[0]);
    }
    return { calls: bed.inspect.calls(), jobs: bed.inspect.jobs() };
  };
  assert.deepEqual(await story(), await story());
});
