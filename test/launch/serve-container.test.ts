import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import type { SpecInput } from '../../src/api/spec.ts';
import { createComputeNode, eventually, type JobOptions, type RunningJob } from './compute-node.ts';
import { fakeApptainer, makeImage } from './fake-apptainer.ts';

/** An engine in a container, with an apptainer that keeps what it is told. */
describe('a job whose engine runs in a container', { concurrency: 4 }, async () => {
  const cluster = await createComputeNode();
  const directory = await mkdtemp(path.join(os.tmpdir(), 'vllm-slurm-image-'));
  after(async () => {
    await cluster.close();
    await rm(directory, { recursive: true });
  });
  const image = await makeImage(path.join(directory, 'vllm $(id) image'));
  const model = path.join(directory, 'models--org--m/snapshots/abc');
  const cache = path.join(directory, 'hf cache');
  const data = path.join(directory, 'data $(id)');
  for (const one of [model, data]) await mkdir(one, { recursive: true });

  let number = 0;
  type Program = { readonly name?: string; readonly pulled?: string };
  async function start(
    spec: Partial<SpecInput> = {},
    { commands = {}, ...options }: JobOptions = {},
    { name = 'apptainer', pulled }: Program = {},
  ) {
    const kept = path.join(directory, `kept-${++number}`);
    const job = await cluster.start({
      constants: { PEER_SECONDS: 2 },
      ...options,
      commands: { [name]: fakeApptainer(kept, pulled), ...commands },
      spec: {
        model: { uri: `file://${model}`, name: 'm', cache: { path: cache } },
        resources: { nodes: 1, gpusPerNode: 0 },
        engine: { type: 'vllm' },
        runtime: { type: 'apptainer', image },
        ...spec,
      },
    });
    /** What follows `apptainer`, of each call, with what is different each time left out. */
    const calls = async () =>
      (await readFile(kept, 'utf8').catch(() => ''))
        .split(/\n(?=<)/)
        .filter(Boolean)
        .map((call) =>
          call
            .replace(/<bash><-c>.*/s, '<bash>…')
            .replace(/<serve>.*/s, '<serve>…')
            .trim(),
        );
    return Object.assign(job, { calls });
  }
  const lastWordsOf = async (job: RunningJob) => {
    const { phase, code, failureClass, why } = (await job.reports()).at(-1) ?? {};
    return { phase, code, failureClass, why };
  };
  const nothingLeft = (job: RunningJob) =>
    eventually(async () => ((await job.processes()).length === 0 ? true : undefined));
  const environmentOf = async (pid: number) => (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0');

  it('mounts model, cache and what is asked for, with GPUs where they are, and keeps the host’s Python out', async () => {
    const job = await start(
      {
        resources: { nodes: 1, gpusPerNode: 1 },
        runtime: { type: 'apptainer', image, mounts: [data, `${data}:/data`] },
        engine: { type: 'vllm', env: { OWN: "it's" } },
      },
      {
        commands: { 'nvidia-smi': '#!/bin/bash\necho "GPU 0: H100"\n' },
        environment: { PYTHONPATH: '/host', APPTAINER_CLEANENV: '1', APPTAINER_BINDPATH: '/site' },
      },
    );
    await job.reached('ready');
    const repository = path.join(directory, 'models--org--m');
    const binds = [repository, cache, `${cache}/hub`, data, `${data}:/data`]
      .map((bind) => `<--bind><${bind}>`)
      .join('');
    const own = `<PYTHONNOUSERSITE=1><VLLM_ENGINE_READY_TIMEOUT_S=1800><HF_HOME=${cache}><OWN=it's>`;
    assert.deepEqual(await job.calls(), [
      `<exec><--nv>${binds}<${image}><bash>…`,
      `<exec><--nv>${binds}<${image}><env>${own}<vllm><serve>…`,
    ]);
    const environment = await environmentOf(await job.engineOn('node001'));
    assert.ok(environment.includes('APPTAINER_BINDPATH=/site'));
    assert.ok(environment.includes("OWN=it's"));
    assert.deepEqual(
      environment.filter((one) => /^(PYTHONPATH|APPTAINER_CLEANENV)=/.test(one)),
      [],
    );
    job.signal('SIGTERM');
    assert.equal(await job.exited, 143);
    await nothingLeft(job);
  });

  it('leaves a path alone that the user mounts something else at', async () => {
    const weights = path.join(directory, 'weights');
    await mkdir(weights);
    const job = await start({
      model: { uri: `file://${weights}/m`, name: 'm', cache: { path: weights } },
      runtime: { type: 'apptainer', image, mounts: [`${data}:${weights}`] },
    });
    assert.equal(await job.exited, 73); // nothing is mounted in truth
    assert.deepEqual(await job.calls(), [`<exec><--bind><${data}:${weights}><${image}><bash>…`]);
  });

  it('shows its secrets to the engine alone, and to no command line', async () => {
    const secretFiles = { hfToken: path.join(directory, 'token'), apiKey: path.join(directory, 'key') };
    await writeFile(secretFiles.hfToken, 'hf_swordfish\n', { mode: 0o600 });
    await writeFile(secretFiles.apiKey, 'sk-swordfish', { mode: 0o600 });
    for (const type of ['torchrun', 'native'] as const) {
      const job = await start(
        { launcher: { type }, resources: { nodes: 2, gpusPerNode: 0 } },
        { secretFiles, environment: { VLLM_API_KEY: 'of-a-login-shell' } },
      );
      await job.reached('ready');
      for (const node of ['node001', 'node002']) {
        const secrets = (await environmentOf(await job.engineOn(node))).filter((one) =>
          /^(VLLM_API_KEY|HF_TOKEN)=/.test(one),
        );
        assert.deepEqual(secrets.sort(), ['HF_TOKEN=hf_swordfish', 'VLLM_API_KEY=sk-swordfish']);
      }
      for (const pid of await job.processes())
        assert.doesNotMatch(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''), /swordfish/);
      assert.doesNotMatch((await job.calls()).join('\n') + (await job.log()), /swordfish/);
      job.signal('SIGTERM');
      await job.exited;
    }
  });

  it('has torchrun and its rank inside on every node, each contained once, and drains', async () => {
    const job = await start({ resources: { nodes: 2, gpusPerNode: 0 } });
    await job.reached('ready');
    const calls = (await job.calls()).map((call) => /<(bash|torchrun|vllm)>/.exec(call)?.[1]);
    assert.deepEqual(calls.sort(), ['bash', 'bash', 'torchrun', 'torchrun']);
    job.signal('SIGUSR1');
    assert.equal(await job.exited, 0, await job.log());
    await nothingLeft(job);
  });

  it('takes everything with it when a contained rank is killed', async () => {
    const job = await start({ launcher: { type: 'native' }, resources: { nodes: 2, gpusPerNode: 0 } });
    await job.reached('ready');
    process.kill(await job.engineOn('node002'), 'SIGKILL');
    assert.equal(await job.exited, 68, await job.log());
    assert.equal((await lastWordsOf(job)).why, 'engine-exit-137:node002');
    await nothingLeft(job);
  });

  it('finds the program under its old name', async () => {
    const job = await start({}, {}, { name: 'singularity' });
    await job.reached('ready');
    job.signal('SIGTERM');
    await job.exited;
    assert.equal((await job.calls()).length, 2);
  });

  it('fetches an image of a registry once, whole or not at all', async () => {
    const runtime = { type: 'apptainer', image: 'docker://vllm/vllm-openai:v1' } as const;
    const failed = await start({ runtime });
    assert.equal(await failed.exited, 78, await failed.log());
    assert.deepEqual(await lastWordsOf(failed), {
      ...{ phase: 'failed', code: 78, failureClass: 'image', why: 'image-not-fetched' },
    });
    const folder = path.join(cache, 'vllm-slurm-images');
    assert.deepEqual(await readdir(folder), []);
    const first = await start({ runtime }, {}, { pulled: image });
    await first.reached('ready');
    const [file = ''] = await readdir(folder);
    assert.match(file, /^[0-9a-f]{32}\.sif$/);
    assert.equal((await first.calls())[0], `<pull><${folder}/${file}.${first.jobId}><docker://vllm/vllm-openai:v1>`);
    const second = await start({ runtime });
    await second.reached('ready');
    assert.match((await second.calls())[0] ?? '', /^<exec>/);
    for (const job of [first, second]) {
      job.signal('SIGTERM');
      await job.exited;
    }
  });

  const empty = await makeImage(path.join(directory, 'empty'), []);
  const faults: readonly {
    readonly title: string;
    readonly runtime: Partial<NonNullable<SpecInput['runtime']>>;
    readonly program?: string;
    readonly code: number;
    readonly failureClass: string;
    readonly why: string;
  }[] = [
    {
      title: 'that a node has nothing to run containers with',
      runtime: {},
      program: 'docker',
      ...{ code: 77, failureClass: 'runtime', why: 'runtime-missing:node001,node002' },
    },
    {
      title: 'that the image is not there',
      runtime: { image: '/nonexistent/vllm.sif' },
      ...{ code: 78, failureClass: 'image', why: 'image-missing:node001,node002' },
    },
    {
      title: 'that what is to be mounted is not there',
      runtime: { mounts: [data, '/nonexistent:/data'] },
      ...{ code: 78, failureClass: 'image', why: 'mount-missing:node001,node002' },
    },
    {
      title: 'that no container comes of the image',
      runtime: { image: data },
      ...{ code: 78, failureClass: 'image', why: 'image-unusable:node001,node002' },
    },
    {
      title: 'that the image holds no engine',
      runtime: { image: empty },
      ...{ code: 74, failureClass: 'engine', why: 'engine-not-in-image:node001,node002' },
    },
    {
      title: 'that the image holds no launcher',
      runtime: { image: await makeImage(path.join(directory, 'no-torch'), ['vllm']) },
      ...{ code: 74, failureClass: 'engine', why: 'launcher-missing:node001,node002' },
    },
  ];
  for (const { title, runtime, program = 'apptainer', ...expected } of faults) {
    it(`finds before it starts ${title}: ${expected.code}`, async () => {
      const job = await start(
        { runtime: { type: 'apptainer', image, ...runtime }, resources: { nodes: 2, gpusPerNode: 0 } },
        {},
        { name: program },
      );
      assert.equal(await job.exited, expected.code, await job.log());
      assert.deepEqual(await lastWordsOf(job), { phase: 'failed', ...expected });
    });
  }
});
