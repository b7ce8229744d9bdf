import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import type { SpecInput } from '../../src/api/spec.ts';
import { createComputeNode, type JobOptions, standIn } from './compute-node.ts';

/** What a job finds out before it loads anything. The engine calls itself vllm, and is a shell script. */
describe('before it starts, a job', { concurrency: 4 }, async () => {
  const cluster = await createComputeNode();
  const directory = await mkdtemp(path.join(os.tmpdir(), 'vllm-slurm-preflight-'));
  const hub = createServer((request, response) => {
    const [, repository = ''] = /^\/(\w+\/\w+)\//.exec(request.url ?? '') ?? [];
    const welcome = request.headers.authorization === 'Bearer hf_good';
    const missing = repository === 'org/nowhere';
    if (missing) response.setHeader('x-error-code', 'RepoNotFound');
    response.writeHead(missing ? 401 : repository === 'org/gated' && !welcome ? 403 : 302, {
      location: 'http://other/',
    });
    response.end();
  });
  await new Promise<void>((resolve) => hub.listen(0, '127.0.0.1', resolve));
  const HF_ENDPOINT = `http://127.0.0.1:${(hub.address() as AddressInfo).port}`;
  await writeFile(path.join(directory, 'good-token'), 'hf_good\n');
  await writeFile(path.join(directory, 'file'), '');
  after(async () => {
    await cluster.close();
    hub.close();
    await rm(directory, { recursive: true });
  });

  const vllm = `#!/bin/bash\nexec ${standIn.join(' ')} "$@"\n`;
  const start = (spec: Partial<SpecInput>, { commands = {}, ...options }: JobOptions = {}) =>
    cluster.start({
      constants: { PEER_SECONDS: 2 },
      ...options,
      commands: { vllm, ...commands },
      spec: {
        model: { uri: `file://${directory}`, name: 'm' },
        resources: { nodes: 2, gpusPerNode: 0 },
        launcher: { type: 'native' },
        engine: { type: 'vllm' },
        ...spec,
      },
    });
  const gpus = (count: number, where = '*') =>
    `#!/bin/bash\n[[ $SLURMD_NODENAME != ${where} ]] || { for ((i = 0; i < ${count}; i++)); do echo "GPU $i: H100 (UUID: x)"; done; exit; }\n` +
    'for i in 0 1 2 3; do echo "GPU $i: H100"; done\n';

  const faults: readonly {
    readonly title: string;
    readonly spec: Partial<SpecInput>;
    readonly options?: JobOptions;
    readonly code: number;
    readonly failureClass: string;
    readonly why: string;
  }[] = [
    {
      title: 'names the node that has lost a GPU',
      spec: { resources: { nodes: 2, gpusPerNode: 4 } },
      options: { commands: { 'nvidia-smi': gpus(3, 'node002') } },
      ...{ code: 71, failureClass: 'gpu', why: 'gpu-missing:node002' },
    },
    {
      title: 'names every node whose driver is gone',
      spec: { resources: { nodes: 2, gpusPerNode: 4 } },
      options: { commands: { 'nvidia-smi': '#!/bin/bash\necho "Failed to initialize NVML" >&2\nexit 18\n' } },
      ...{ code: 71, failureClass: 'gpu', why: 'gpu-missing:node001,node002' },
    },
    {
      title: 'finds a cache that cannot be written, also as root',
      spec: {
        model: { uri: `file://${directory}`, name: 'm', cache: { path: path.join(directory, 'file', 'cache') } },
      },
      ...{ code: 72, failureClass: 'cache', why: 'cache-not-writable:node001,node002' },
    },
    {
      title: 'finds a model path that is not there',
      spec: { model: { uri: `file://${directory}/nowhere` }, resources: { nodes: 1, gpusPerNode: 0 } },
      ...{ code: 73, failureClass: 'model', why: 'model-missing:node001' },
    },
    {
      title: 'finds that an offline model was never fetched',
      spec: {
        model: { uri: 'hf://org/open', cache: { path: directory, offline: true } },
        resources: { nodes: 1, gpusPerNode: 0 },
      },
      ...{ code: 73, failureClass: 'model', why: 'model-not-cached:node001' },
    },
    {
      title: 'asks the hub whether there is such a model',
      spec: {
        model: { uri: 'hf://org/nowhere', cache: { path: directory } },
        engine: { type: 'vllm', env: { HF_ENDPOINT } },
      },
      ...{ code: 73, failureClass: 'model', why: 'model-not-on-hub:node001' },
    },
    {
      title: 'asks the hub whether the token may have the model',
      spec: {
        model: { uri: 'hf://org/gated', cache: { path: directory } },
        engine: { type: 'vllm', env: { HF_ENDPOINT } },
      },
      ...{ code: 76, failureClass: 'denied', why: 'hub-denied:node001' },
    },
    {
      title: 'finds that the engine is not there',
      spec: { engine: { type: 'vllm', env: { PATH: '/nonexistent:/usr/bin:/bin' } } },
      ...{ code: 74, failureClass: 'engine', why: 'engine-missing:node001,node002' },
    },
    {
      title: 'finds that the virtual environment is not there',
      spec: { runtime: { type: 'venv', venv: '/nonexistent/venv' }, resources: { nodes: 1, gpusPerNode: 0 } },
      ...{ code: 74, failureClass: 'engine', why: 'engine-missing:node001' },
    },
    {
      title: 'finds that the launcher is not there',
      spec: { launcher: { type: 'ray' }, engine: { type: 'vllm', env: { PATH: '/usr/bin:/bin' } } },
      options: { variables: { VSO_ENGINE: ['/bin/bash'] } },
      ...{ code: 74, failureClass: 'engine', why: 'launcher-missing:node001,node002' },
    },
    {
      title: 'finds that a secret cannot be read',
      spec: {},
      options: { secretFiles: { apiKey: path.join(directory, 'no-such-key') } },
      ...{ code: 64, failureClass: 'config', why: 'secret-unreadable:node001,node002' },
    },
    {
      title: 'finds that the first node cannot be reached',
      spec: {},
      options: {
        commands: {
          python3:
            '#!/bin/bash\n[[ $SLURM_NODEID != 1 || $2 != *create_connection* ]] || exit 1\nPATH=$(cut -d: -f2- <<<"$PATH") exec python3 "$@"\n',
        },
      },
      ...{ code: 75, failureClass: 'peer', why: 'peer-unreachable:node002' },
    },
  ];
  for (const { title, spec, options = {}, ...expected } of faults) {
    it(`${title}: ${expected.code}`, async () => {
      const job = await start(spec, options);
      assert.equal(await job.exited, expected.code, await job.log());
      const { phase, code, failureClass, why } = (await job.reports()).at(-1) ?? {};
      assert.deepEqual({ phase, code, failureClass, why }, { phase: 'failed', ...expected });
    });
  }

  const caches: readonly (readonly [title: string, environment: Readonly<Record<string, string>>])[] = [
    ['XDG_CACHE_HOME', { XDG_CACHE_HOME: path.join(directory, 'file') }],
    ['HOME', { HOME: path.join(directory, 'file') }],
    ['HF_HOME before XDG_CACHE_HOME', { HF_HOME: path.join(directory, 'file', 'hf'), XDG_CACHE_HOME: directory }],
    [
      'HUGGINGFACE_HUB_CACHE before HF_HOME',
      { HUGGINGFACE_HUB_CACHE: path.join(directory, 'file'), HF_HOME: directory },
    ],
    [
      'HF_HUB_CACHE before all others',
      { HF_HUB_CACHE: path.join(directory, 'file', 'hub'), HUGGINGFACE_HUB_CACHE: directory, HF_HOME: directory },
    ],
  ];
  for (const [title, env] of caches) {
    it(`looks for the cache where the engine will: ${title}`, async () => {
      const job = await start({
        model: { uri: 'hf://org/open', name: 'm' },
        resources: { nodes: 1, gpusPerNode: 0 },
        engine: { type: 'vllm', env: { ...env, HF_ENDPOINT } },
      });
      assert.equal(await job.exited, 72, await job.log());
      assert.equal((await job.reports()).at(-1)?.why, 'cache-not-writable:node001');
    });
  }

  it('goes on when all is well: GPUs enough, a token that is good, a cache that takes what it is given', async () => {
    const job = await start(
      {
        model: { uri: 'hf://org/gated', cache: { path: directory } },
        engine: { type: 'vllm', env: { HF_ENDPOINT } },
        resources: { nodes: 2, gpusPerNode: 4 },
      },
      { commands: { 'nvidia-smi': gpus(4) }, secretFiles: { hfToken: path.join(directory, 'good-token') } },
    );
    await job.reached('ready');
    job.signal('SIGTERM');
    assert.equal(await job.exited, 143);
  });
});
