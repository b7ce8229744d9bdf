import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { createComputeNode, eventually, type JobOptions, type RunningJob } from './compute-node.ts';

/** A job over several nodes, which are all this machine: srun is a fake, the ranks are stand-ins. */
describe('a job over several nodes', { concurrency: 4 }, async () => {
  const cluster = await createComputeNode();
  after(() => cluster.close());

  const start = (options: JobOptions = {}, nodes = 2) =>
    cluster.start({
      constants: { PEER_SECONDS: 2 },
      ...options,
      spec: {
        resources: { nodes, gpusPerNode: 0 },
        launcher: { type: 'native' },
        ...options.spec,
      },
    });
  const soon = {
    VSO_PROBE_PERIOD_SECONDS: '1',
    VSO_CANARY_PERIOD_SECONDS: '1',
    VSO_CANARY_TIMEOUT_SECONDS: '1',
    VSO_PROBE_FAILURES: '2',
  };
  const lastWordsOf = async (job: RunningJob) => {
    const { phase, code, failureClass, why } = (await job.reports()).at(-1) ?? {};
    return { phase, code, failureClass, why };
  };
  const nothingLeft = (job: RunningJob) =>
    eventually(async () => ((await job.processes()).length === 0 ? true : undefined));
  const ask = (port: number | undefined, model: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${port}/v1/completions`, {
      method: 'POST',
      body: JSON.stringify({ model, prompt: 'hello', max_tokens: 1 }),
      ...init,
    });

  it('comes up when all ranks have come, answers at its first node, and leaves nothing when cancelled', async () => {
    const job = await start({}, 3);
    const ready = await job.reached('ready');
    assert.equal((await ask(ready.port, job.ownModelName)).status, 200);
    assert.deepEqual(
      (await job.reports()).map(({ phase, node }) => [phase, node]),
      [
        ['starting', 'node001'],
        ['rendezvous', 'node001'],
        ...((await job.reports()).some(({ phase }) => phase === 'loading') ? [['loading', 'node001']] : []),
        ['ready', 'node001'],
      ],
    );
    const commands = await Promise.all(
      ['node001', 'node002', 'node003'].map(async (node) =>
        (await readFile(`/proc/${await job.engineOn(node)}/cmdline`, 'utf8')).split('\0').filter(Boolean),
      ),
    );
    const behind = (command: readonly string[] = []) => command.slice(command.indexOf('--served-model-name'));
    const [port, master] = [String(ready.port), behind(commands[0])[behind(commands[0]).indexOf('--master-port') + 1]];
    const same = ['--served-model-name', 'echo', 'chat', job.ownModelName, '--nnodes', '3'];
    assert.deepEqual(
      commands.map(behind),
      ['0', '1', '2'].map((rank) => [
        ...same,
        ...['--node-rank', rank, '--master-addr', '127.0.0.1', '--master-port', master],
        ...(rank === '0' ? ['--host', '127.0.0.1', '--port', port] : ['--headless']),
      ]),
    );
    job.signal('SIGTERM');
    assert.equal(await job.exited, 143);
    await nothingLeft(job);
  });

  it('gives data-parallel ranks their places', async () => {
    const job = await start({ spec: { resources: { nodes: 2, gpusPerNode: 0 }, parallelism: { data: 4 } } });
    await job.reached('ready');
    const head = (await readFile(`/proc/${await job.engineOn('node001')}/cmdline`, 'utf8')).split('\0');
    const other = (await readFile(`/proc/${await job.engineOn('node002')}/cmdline`, 'utf8'))
      .split('\0')
      .filter(Boolean);
    const rpcPort = head[head.indexOf('--data-parallel-rpc-port') + 1];
    assert.deepEqual(other.slice(other.indexOf('--data-parallel-size-local')), [
      ...[
        '--data-parallel-size-local',
        '2',
        '--data-parallel-address',
        '127.0.0.1',
        '--data-parallel-rpc-port',
        rpcPort,
      ],
      ...['--data-parallel-start-rank', '2', '--headless'],
    ]);
    job.signal('SIGTERM');
    await job.exited;
  });

  it('drains: running requests end, ranks are asked to go, it exits 0', async () => {
    const job = await start({
      engineArgs: ['--stand-in-token-milliseconds', '100'],
      variables: { VSO_DRAIN_GRACE_SECONDS: '1' },
    });
    const { port } = await job.reached('ready');
    const answer = ask(port, 'echo', { body: JSON.stringify({ model: 'echo', prompt: 'a b c d e f g h i j' }) });
    job.signal('SIGUSR1');
    assert.equal((await answer).status, 200);
    assert.equal(await job.exited, 0);
    assert.deepEqual(await lastWordsOf(job), { phase: 'ended', code: 0, failureClass: 'none', why: 'drained' });
    assert.match(await job.log(), /node=node002 rank=1 stopped on request/);
    await nothingLeft(job);
  });

  it('ends as a whole when one rank dies, and names its node', async () => {
    const job = await start();
    await job.reached('ready');
    process.kill(await job.engineOn('node002'), 'SIGKILL');
    assert.equal(await job.exited, 68, await job.log());
    assert.deepEqual(await lastWordsOf(job), {
      phase: 'failed',
      code: 68,
      failureClass: 'died',
      why: 'engine-exit-137:node002',
    });
    await nothingLeft(job);
  });

  it('takes an engine that says 0 for one that has failed', async () => {
    const job = await start({ engineArgs: ['--stand-in-rank=1', '--stand-in-crash-after-seconds=2'] });
    await job.reached('ready');
    assert.equal(await job.exited, 68, await job.log());
    assert.equal((await lastWordsOf(job)).why, 'engine-exit-0:node002');
    await nothingLeft(job);
  });

  it('blames a node that is lost, without waiting for it', async () => {
    const job = await start({ variables: soon });
    await job.reached('ready');
    await job.loseNode('node002');
    assert.equal(await job.exited, 67, await job.log());
    assert.deepEqual(await lastWordsOf(job), {
      phase: 'failed',
      code: 67,
      failureClass: 'node',
      why: 'lost:node002',
    });
  });

  it('blames a node that is lost before it starts', async () => {
    const job = await start({
      constants: { PEER_SECONDS: 2, PREFLIGHT_SECONDS: 3 },
      lostNodes: ['node002'],
    });
    assert.equal(await job.exited, 67, await job.log());
    assert.equal((await lastWordsOf(job)).why, 'lost:node002');
  });

  it('finds a rank that is stopped, although every node answers', async () => {
    const job = await start({ variables: soon });
    await job.reached('ready');
    process.kill(await job.engineOn('node002'), 'SIGSTOP');
    assert.equal(await job.exited, 69, await job.log());
    assert.deepEqual(await lastWordsOf(job), {
      phase: 'failed',
      code: 69,
      failureClass: 'hang',
      why: 'stuck:node002',
    });
    await nothingLeft(job);
  });

  it('says so when a rank never joins', async () => {
    const job = await start({
      engineArgs: ['--stand-in-join-seconds=2', '--stand-in-rank=0'],
      spec: { engine: { type: 'stand-in', args: ['--stand-in-rank=1', '--stand-in-startup-seconds=3600'] } },
      variables: { VSO_START_SECONDS: '8' },
    });
    assert.equal(await job.exited, 70, await job.log());
    await nothingLeft(job);
  });

  it('says so when the ranks’ own patience is at its end', async () => {
    const job = await start({
      engineArgs: [
        '--stand-in-fail=DistStoreError: Timed out after 601 seconds waiting for clients. 1/2 clients joined.',
      ],
    });
    assert.equal(await job.exited, 65, await job.log());
    assert.equal((await lastWordsOf(job)).why, 'rendezvous-timeout');
  });

  it('takes other ports when a rank finds one taken', async () => {
    const job = await start({
      engineArgs: ['--stand-in-rank=0', '--stand-in-fail=OSError: [Errno 98] Address already in use'],
    });
    assert.equal(await job.exited, 66, await job.log());
    const tried = [...(await job.log()).matchAll(/ port (\d+) is taken/g)].map(([, port]) => port);
    assert.deepEqual([tried.length, new Set(tried).size], [10, 10], await job.log());
    await nothingLeft(job);
  });

  it('starts one torchrun agent a node, with the rank beneath it', async () => {
    const job = await start({
      spec: {
        resources: { nodes: 2, gpusPerNode: 0 },
        launcher: { type: 'torchrun', rendezvous: { timeoutSeconds: 77 } },
      },
      commands: { torchrun: AGENT },
    });
    await job.reached('ready');
    const agents = [...(await job.log()).matchAll(/^agent (.*)$/gm)].map(([, words = '']) =>
      words.replace(/127\.0\.0\.1:\d+/, 'HEAD:PORT').replace(job.jobId, 'JOB'),
    );
    const expected =
      '--nnodes=2 --nproc-per-node=1 --rdzv-backend=c10d --rdzv-endpoint=HEAD:PORT --rdzv-id=JOB.0 --local-addr=127.0.0.1 ' +
      '--rdzv-conf=timeout=77,join_timeout=77 --max-restarts=0 --monitor-interval=1 --no-python';
    assert.deepEqual(agents, [expected, expected]);
    const environment = (await readFile(`/proc/${await job.engineOn('node002')}/environ`, 'utf8')).split('\0');
    assert.deepEqual(
      environment.filter((one) => /^(TORCHELASTIC_|RANK=|MASTER_|VLLM_HOST_IP|GLOO_)/.test(one)).sort(),
      ['GLOO_SOCKET_IFNAME=lo', 'VLLM_HOST_IP=127.0.0.1'].filter(
        (one) => !one.startsWith('GLOO') || environment.includes(one), // where ip(8) is not installed
      ),
    );
    job.signal('SIGTERM');
    await job.exited;
    await nothingLeft(job);
  });

  it('lets Ray gather the nodes, and runs the engine at the first', async () => {
    const job = await start({
      spec: { resources: { nodes: 2, gpusPerNode: 2 }, launcher: { type: 'ray' } },
      commands: { ray: RAY },
    });
    await job.reached('ready');
    const calls = [...(await job.log()).matchAll(/^ray (.*)$/gm)].map(([, words = '']) =>
      words.replace(/127\.0\.0\.1:\d+/, 'HEAD:PORT'),
    );
    const expected = 'symmetric-run --address HEAD:PORT --min-nodes 2 --num-gpus 2';
    assert.deepEqual(calls, [expected, expected]);
    const command = (await readFile(`/proc/${await job.engineOn('node001')}/cmdline`, 'utf8')).split('\0');
    assert.deepEqual(command.slice(command.indexOf('--distributed-executor-backend'), -3), [
      ...['--distributed-executor-backend', 'ray', '--host', '127.0.0.1'],
    ]);
    job.signal('SIGTERM');
    await job.exited;
    await nothingLeft(job);
  });

  it('shows its secrets to the engine alone, on every node', async (test) => {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'vllm-slurm-secrets-'));
    test.after(() => rm(directory, { recursive: true }));
    const secretFiles = { hfToken: path.join(directory, 'token'), apiKey: path.join(directory, 'key') };
    await writeFile(secretFiles.hfToken, 'hf_swordfish\n', { mode: 0o600 });
    await writeFile(secretFiles.apiKey, 'sk-swordfish', { mode: 0o600 });
    const job = await start({ secretFiles });
    const { port } = await job.reached('ready');
    assert.equal((await ask(port, 'echo')).status, 401);
    assert.equal((await ask(port, 'echo', { headers: { authorization: 'Bearer sk-swordfish' } })).status, 200);
    for (const node of ['node001', 'node002']) {
      const environment = (await readFile(`/proc/${await job.engineOn(node)}/environ`, 'utf8')).split('\0');
      assert.deepEqual(environment.filter((one) => one.includes('swordfish')).sort(), [
        'HF_TOKEN=hf_swordfish',
        'VLLM_API_KEY=sk-swordfish',
      ]);
    }
    const commandLines = await Promise.all(
      (await job.processes()).map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
    );
    assert.doesNotMatch([...commandLines, await job.log(), ...(await job.comments())].join('\n'), /swordfish/);
    job.signal('SIGTERM');
    await job.exited;
  });
});

/** As torchrun: says how it was called, sets the variables it sets, runs what stands behind --no-python. */
const AGENT = `#!/bin/bash
words=()
while [[ $1 == --* ]]; do words+=("$1"); shift; done
echo "agent \${words[*]}"
export TORCHELASTIC_USE_AGENT_STORE=True TORCHELASTIC_RUN_ID=x RANK=0 MASTER_ADDR=elsewhere MASTER_PORT=1
"$@"
`;

/** As `ray symmetric-run`: the command runs at the first node, the others stay until they are stopped. */
const RAY = `#!/bin/bash
words=()
while [[ $1 != -- ]]; do words+=("$1"); shift; done
shift
echo "ray \${words[*]}"
[ "$SLURM_NODEID" = 0 ] || exec sleep 3600
"$@"
`;
