import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { createComputeNode, eventually, quietPorts, type RunningJob } from './compute-node.ts';

/** The whole script, run by bash with the stand-in engine: what the job does and what it says of itself. */
describe('a job on its node', { concurrency: 6 }, async () => {
  const node = await createComputeNode();
  after(() => node.close());
  const marker = 'vso1 uid=0f5c7d1e gen=3 hash=ab38e5bf6eddf974 nonce=k3v9 owner=test-store';

  const nothingLeft = (job: { processes(): Promise<readonly number[]> }) =>
    eventually(async () => ((await job.processes()).length === 0 ? true : undefined));

  it('comes up, says where it is, answers under its own name, and leaves nothing when cancelled', async () => {
    const job = await node.start();
    const ready = await job.reached('ready');
    assert.deepEqual(
      (await job.comments()).map((comment) => comment.replace(/after=\d+$/, 'after=N')),
      [
        `${marker}|phase=starting|node=node001`,
        `${marker}|phase=loading|node=node001|port=${ready.port}`,
        `${marker}|phase=ready|node=node001|port=${ready.port}|after=N`,
      ],
    );
    const response = await fetch(`http://127.0.0.1:${ready.port}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: job.ownModelName, messages: [{ role: 'user', content: 'hello' }] }),
    });
    assert.equal(response.status, 200);
    job.signal('SIGTERM');
    assert.equal(await job.exited, 143);
    await nothingLeft(job);
    assert.equal((await job.reports()).at(-1)?.phase, 'ready', 'a cancelled job can report no more');
  });

  it('is ready by an embedding where the model gives no tokens, and is asked for another while it idles', async () => {
    const job = await node.start({
      engineArgs: ['--runner', 'pooling'],
      variables: { VSO_PROBE_PERIOD_SECONDS: '1', VSO_CANARY_PERIOD_SECONDS: '1' },
    });
    const { port } = await job.reached('ready');
    await eventually(async () => {
      const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      const answered = /^vllm:request_success_total{.*finished_reason="stop"} (\d+)/m.exec(metrics)?.[1];
      return Number(answered) >= 3 || undefined;
    });
    job.signal('SIGTERM');
    assert.equal(await job.exited, 143);
    assert.equal((await job.reports()).at(-1)?.phase, 'ready');
    await nothingLeft(job);
  });

  it('drains when asked: no route first, then running requests end, then it exits 0', async () => {
    const job = await node.start({
      engineArgs: ['--stand-in-token-milliseconds', '150'],
      variables: { VSO_DRAIN_GRACE_SECONDS: '1' },
    });
    const { port } = await job.reached('ready');
    const stream = await fetch(`http://127.0.0.1:${port}/v1/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: 'echo', prompt: 'a b c d e f g h i j k l m n o p q r s t', stream: true }),
    });
    job.signal('SIGUSR1');
    await job.reached('draining');
    const events = (await stream.text()).split('\n\n').filter(Boolean);
    assert.equal(events.at(-1), 'data: [DONE]');
    assert.equal(await job.exited, 0);
    assert.deepEqual((await job.reports()).at(-1), {
      phase: 'ended',
      node: 'node001',
      port,
      failureClass: 'none',
      code: 0,
      why: 'drained',
    });
    await nothingLeft(job);
  });

  it('hears a request whatever it does at that moment, and takes none for program text', async (test) => {
    const modules = await mkdtemp(path.join(os.tmpdir(), 'vllm-slurm-modules-'));
    test.after(() => rm(modules, { recursive: true }));
    await mkdir(path.join(modules, 'init'));
    await writeFile(
      path.join(modules, 'init/bash'),
      'module() { local i x; for ((i = 0; i < 400; i++)); do x=$(:); done; }\n',
    );
    const besiege = async (signal: 'SIGUSR1' | 'SIGTERM') => {
      const job = await node.start({
        variables: { VSO_MODULES: ['busy'] },
        environment: { MODULESHOME: modules },
        engineArgs: ['--stand-in-startup-seconds', '3600'],
      });
      await eventually(async () => (await job.traps('SIGTERM')) || undefined);
      const siege = setInterval(() => job.signal(signal), 1);
      const code = await job.exited.finally(() => clearInterval(siege));
      // The engine may have begun: on a busy machine the siege comes late.
      return [code, (await job.log()).split('\n').filter((line) => line && !/^(serve: |\(\w+ pid=)/.test(line))];
    };
    for (let round = 0; round < 4; round++) {
      const ends = await Promise.all([besiege('SIGUSR1'), besiege('SIGTERM')]);
      assert.deepEqual(ends, [
        [0, []],
        [143, []],
      ]);
    }
  });

  it('waits for its only port while nothing but connections of its last owner hold it', async () => {
    const firstPort = await quietPorts(1);
    const held = await holdByConnection(firstPort);
    const job = await node.start({ firstPort, ports: 1 });
    const waits = `port ${firstPort} is not free yet`;
    await eventually(async () => (await job.log()).includes(waits) || undefined);
    held.resetAndDestroy();
    assert.equal((await job.reached('ready')).port, firstPort);
    job.signal('SIGTERM');
    await job.exited;
    assert.equal((await job.log()).split(waits).length - 1, 1, 'it says so once');
  });

  it('drains at once while it waits for its port', async () => {
    const firstPort = await quietPorts(1);
    const held = await holdByConnection(firstPort);
    const job = await node.start({ firstPort, ports: 1 });
    await eventually(async () => (await job.log()).includes('is not free yet') || undefined);
    job.signal('SIGUSR1');
    assert.equal(await job.exited, 0, await job.log());
    held.resetAndDestroy();
  });

  for (const holder of ['a listener', 'a connection that stays'] as const) {
    it(`says 66 where its only port is held by ${holder}`, async () => {
      const firstPort = await quietPorts(1);
      const listens = holder === 'a listener';
      const held = listens ? await listen(firstPort) : await holdByConnection(firstPort);
      const job = await node.start({ firstPort, ports: 1, ...(!listens && { constants: { PORT_SECONDS: 2 } }) });
      assert.equal(await job.exited, 66, await job.log());
      assert.equal((await job.log()).includes('is not free yet'), !listens);
      if (held instanceof net.Server) held.close();
      else held.resetAndDestroy();
    });
  }

  it('is not waited for without end by these tests', async () => {
    const job = await node.start({ deadlineMs: 1 });
    await assert.rejects(job.exited, /has not ended within 1 ms/);
    job.signal('SIGTERM');
    await nothingLeft(job);
  });

  for (const phase of ['starting', 'loading', 'ready', 'draining'] as const) {
    it(`cancelled while ${phase} it ends as cancelled, says nothing more, and leaves nothing`, async () => {
      const job = await node.start();
      await job.reached(phase === 'draining' ? 'ready' : phase);
      if (phase === 'draining') job.signal('SIGUSR1');
      await job.reached(phase);
      job.signal('SIGTERM');
      assert.equal(await job.exited, 143, await job.log());
      assert.deepEqual(
        (await job.reports()).filter((report) => report.phase === 'ended' || report.phase === 'failed'),
        [],
      );
      await nothingLeft(job);
    });
  }

  it('ends at once when asked to drain before it serves', async () => {
    const job = await node.start({ engineArgs: ['--stand-in-startup-seconds', '3600'] });
    await job.reached('loading');
    job.signal('SIGUSR1');
    assert.equal(await job.exited, 0);
    await nothingLeft(job);
  });

  const failures: readonly {
    readonly title: string;
    readonly engineArgs: readonly string[];
    readonly variables?: Readonly<Record<string, string>>;
    readonly ports?: number;
    readonly code: number;
    readonly failureClass: string;
    readonly why: string;
  }[] = [
    {
      title: 'an engine that dies while serving is 68 although it says 0, as vLLM does',
      engineArgs: ['--stand-in-crash-after-seconds', '2'],
      code: 68,
      failureClass: 'died',
      why: 'engine-exit-0',
    },
    {
      title: 'an engine that hangs is 69 although its /health stays 200',
      engineArgs: ['--stand-in-hang-after-seconds', '2'],
      variables: {
        VSO_PROBE_PERIOD_SECONDS: '1',
        VSO_CANARY_PERIOD_SECONDS: '1',
        VSO_CANARY_TIMEOUT_SECONDS: '1',
        VSO_PROBE_FAILURES: '2',
      },
      code: 69,
      failureClass: 'hang',
      why: 'no-token',
    },
    {
      title: 'a flag the engine does not know is 64',
      engineArgs: ['--stand-in-no-such-flag'],
      code: 64,
      failureClass: 'config',
      why: 'engine-exit-2',
    },
    {
      title: 'a failed start that says what is wrong with the settings is 64',
      engineArgs: [
        '--stand-in-exit-code=1',
        '--stand-in-log=ValueError: User-specified max_model_len (9999) is greater than the derived max_model_len',
      ],
      code: 64,
      failureClass: 'config',
      why: 'engine-exit-1',
    },
    {
      title: 'a failed start of unknown cause is 65',
      engineArgs: ['--stand-in-exit-code', '1'],
      code: 65,
      failureClass: 'start',
      why: 'engine-exit-1',
    },
    {
      title: 'an engine that is not ready in time is 70',
      engineArgs: ['--stand-in-startup-seconds', '3600'],
      variables: { VSO_START_SECONDS: '2' },
      code: 70,
      failureClass: 'slow',
      why: 'no-answer-in-2-seconds',
    },
    {
      title: 'an endpoint that answers under other names is 66: the port is somebody else’s',
      engineArgs: ['--stand-in-wrong-model', 'other'],
      ports: 1,
      code: 66,
      failureClass: 'port',
      why: 'no-free-port',
    },
  ];
  for (const { title, engineArgs, variables = {}, ports = 20, ...expected } of failures) {
    it(title, async () => {
      const job = await node.start({ engineArgs, variables, ports });
      assert.equal(await job.exited, expected.code, await job.log());
      const { phase, code, failureClass, why } = (await job.reports()).at(-1) ?? {};
      assert.deepEqual({ phase, code, failureClass, why }, { phase: 'failed', ...expected });
      await nothingLeft(job);
    });
  }

  it('gives the engine its environment, whatever its variables are called, and nobody else', async () => {
    const env = { PORT: '1', ADDRESS: 'nowhere', OWN_NAME: 'x', SECONDS: '9999', PATH: '/nonexistent:/usr/bin:/bin' };
    const job = await node.start({ spec: { engine: { type: 'stand-in', env } } });
    const { port } = await job.reached('ready');
    const environments = await Promise.all(
      (await job.processes()).map((pid) => readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')),
    );
    assert.deepEqual(
      environments.filter((text) => text.split('\0').includes('ADDRESS=nowhere')).length,
      1,
      `only the engine at ${port} has them`,
    );
    job.signal('SIGTERM');
    await job.exited;
  });

  it('has no secret that submitting it may have needed, and works where it can do no harm', async () => {
    const job = await node.start({ environment: { SLURM_JWT: 'swordfish' } });
    await job.reached('ready');
    const [engine = 0] = await enginesOf(job);
    assert.equal(await readlink(`/proc/${engine}/cwd`), '/');
    assert.doesNotMatch(await readFile(`/proc/${engine}/environ`, 'utf8'), /swordfish/);
    job.signal('SIGTERM');
    await job.exited;
  });

  it('loads modules and uses its virtual environment before the engine starts', async (test) => {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'vllm-slurm-modules-'));
    test.after(() => rm(directory, { recursive: true }));
    await mkdir(path.join(directory, 'init'));
    await writeFile(path.join(directory, 'init/bash'), 'module() { export LOADED="$LOADED<$*>"; }\n');
    await mkdir(path.join(directory, 'venv/bin'), { recursive: true });
    await symlink('/bin/false', path.join(directory, 'venv/bin/python'));
    const job = await node.start({
      variables: { VSO_MODULES: ['cuda/12.8', 'gcc'], VSO_VENV: path.join(directory, 'venv') },
      environment: { MODULESHOME: directory },
    });
    await job.reached('ready');
    const [engine = 0] = await enginesOf(job);
    const environment = (await readFile(`/proc/${engine}/environ`, 'utf8')).split('\0');
    assert.ok(environment.includes('LOADED=<load cuda/12.8><load gcc>'));
    assert.ok(environment.some((one) => one.startsWith(`PATH=${directory}/venv/bin:`)));
    job.signal('SIGTERM');
    await job.exited;
  });

  it('says 64 where its modules are missing', async () => {
    const moduleless = await node.start({
      variables: { VSO_MODULES: ['no-such-module/1.0'] },
      environment: { MODULESHOME: '/nonexistent' },
    });
    assert.equal(await moduleless.exited, 64);
    assert.match((await moduleless.reports()).at(-1)?.why ?? '', /^(no-module-command|module-load-failed)$/);
  });

  it('takes the next port when its first is somebody else’s', async () => {
    const firstPort = await quietPorts(3);
    const neighbour = await listen(firstPort);
    const job = await node.start({ firstPort, ports: 3, jobId: '3000000' });
    const { port } = await job.reached('ready');
    assert.equal(port, firstPort + 1);
    job.signal('SIGTERM');
    await job.exited;
    neighbour.close();
  });

  it('without Python takes the next port too, also when it is lost between the choice and the engine’s bind', async () => {
    const firstPort = await quietPorts(3);
    const neighbour = await listen(firstPort);
    const job = await node.start({
      firstPort,
      ports: 3,
      jobId: '3000000',
      engineArgs: ['--stand-in-startup-seconds', '2'],
      commands: { python3: '#!/bin/sh\nexit 127\n' },
    });
    const { port: chosen = 0 } = await job.reached('loading');
    const thief = await listen(chosen);
    const { port } = await job.reached('ready');
    assert.deepEqual({ chosen, port }, { chosen: firstPort + 1, port: firstPort + 2 });
    job.signal('SIGTERM');
    await job.exited;
    neighbour.close();
    thief.close();
  });

  it('says how far its start has come, by vLLM’s own words', async () => {
    const job = await node.start({
      engineArgs: [
        '--stand-in-startup-seconds=4',
        '--stand-in-log',
        'Starting to load model org/model...',
        'Loading safetensors checkpoint shards:  20% Completed | 3/15 [00:01<00:04,  2.5it/s]',
        'Dynamo bytecode transform time: 5.10 s',
      ],
    });
    assert.equal((await job.reached('compiling')).phase, 'compiling');
    job.signal('SIGTERM');
    await job.exited;
    const loading = await node.start({
      engineArgs: [
        '--stand-in-startup-seconds=4',
        '--stand-in-log=Loading safetensors checkpoint shards:  20% Completed | 3/15 [00:01<00:04,  2.5it/s]',
      ],
    });
    const progress = await eventually(async () => (await loading.reports()).find((report) => report.shards));
    assert.deepEqual([progress.phase, progress.shards], ['loading', { done: 3, total: 15 }]);
    loading.signal('SIGTERM');
    await loading.exited;
  });

  it('says twice that it is ready, as the first may be lost with a controller', async () => {
    const job = await node.start({ constants: { READY_AGAIN_SECONDS: 1 } });
    const twice = await eventually(async () => {
      const ready = (await job.comments()).filter((comment) => comment.includes('phase=ready'));
      return ready.length > 1 ? ready : undefined;
    });
    assert.equal(new Set(twice).size, 1);
    job.signal('SIGTERM');
    await job.exited;
  });

  it('asks for no token while tokens come out, however slow they are', async () => {
    const job = await node.start({
      engineArgs: ['--stand-in-token-milliseconds=400'],
      variables: {
        VSO_PROBE_PERIOD_SECONDS: '1',
        VSO_CANARY_PERIOD_SECONDS: '1',
        VSO_CANARY_TIMEOUT_SECONDS: '1',
        VSO_PROBE_FAILURES: '1',
      },
    });
    const { port } = await job.reached('ready');
    const stream = await fetch(`http://127.0.0.1:${port}/v1/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: 'echo', prompt: 'a b c d e f g h i j k l m n o p q r', stream: true }),
    });
    assert.ok((await stream.text()).endsWith('data: [DONE]\n\n'));
    assert.equal((await job.reports()).at(-1)?.phase, 'ready');
    job.signal('SIGTERM');
    await job.exited;
  });

  it('tells Slurm again what Slurm has not heard', async () => {
    const job = await node.start({ slurmIsDeaf: true });
    await eventually(async () => ((await job.log()).includes('phase=ready') ? true : undefined));
    assert.deepEqual(await job.comments(), []);
    await job.makeSlurmHear();
    await job.reached('ready');
    job.signal('SIGTERM');
    await job.exited;
  });

  it('ends the engine even when it is killed itself without a chance to', async () => {
    const job = await node.start();
    await job.reached('ready');
    job.signal('SIGKILL');
    await nothingLeft(job);
  });
});

/** Processes that lead a session of their own and run the stand-in. */
async function enginesOf(job: RunningJob): Promise<readonly number[]> {
  const found = await Promise.all(
    (await job.processes()).map(async (pid) => {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return command.includes('stand-in.ts') && !command.startsWith('bash') ? [pid] : [];
    }),
  );
  return found.flat();
}

/** The end of a connection at that port, where nobody listens any more. */
function holdByConnection(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      server.close();
      resolve(socket);
    });
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => net.connect(port, '127.0.0.1').on('error', () => {}));
  });
}

function listen(port: number): Promise<net.Server> {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => socket.destroy());
    server.once('error', reject);
    // A test that fails before it closes it must not keep the others from being told.
    server.listen(port, () => resolve(server)).unref();
  });
}
