import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import type { SpecInput } from '../../src/api/spec.ts';
import { createComputeNode, eventually, type JobOptions, type RunningJob, standIn } from './compute-node.ts';

/** An engine in a container of Pyxis: what srun is told, by an srun that contains nothing. */
describe('a job whose steps run in a container', { concurrency: 4 }, async () => {
  const cluster = await createComputeNode();
  const directory = await mkdtemp(path.join(os.tmpdir(), 'vllm-slurm-pyxis-'));
  after(async () => {
    await cluster.close();
    await rm(directory, { recursive: true });
  });
  const image = path.join(directory, 'vllm $(id).sqsh');
  const model = path.join(directory, 'model');
  const cache = path.join(directory, 'hf cache');
  await mkdir(model);
  await writeFile(image, '');
  const commands = {
    vllm: `#!/bin/bash\nexec ${standIn.join(' ')} "$@"\n`,
    torchrun: '#!/bin/bash\nwhile [ "$1" != --no-python ]; do shift; done\nshift\nexec "$@"\n',
  };

  let number = 0;
  async function start(spec: Partial<SpecInput> = {}, options: JobOptions = {}, hasPyxis = true) {
    const kept = path.join(directory, `kept-${++number}`);
    const job = await cluster.start({
      constants: { PEER_SECONDS: 2 },
      commands,
      ...options,
      environment: { ...(hasPyxis && { FAKE_PYXIS: kept }), ...options.environment },
      spec: {
        model: { uri: `file://${model}`, name: 'm', cache: { path: cache } },
        resources: { nodes: 1, gpusPerNode: 0 },
        engine: { type: 'vllm' },
        runtime: { type: 'pyxis', image, mounts: ['/usr', `${model}:/data`] },
        ...spec,
      },
    });
    return Object.assign(job, { steps: async () => (await readFile(kept, 'utf8')).split('\n').filter(Boolean) });
  }
  const lastWordsOf = async (job: RunningJob) => {
    const { phase, code, failureClass, why } = (await job.reports()).at(-1) ?? {};
    return { phase, code, failureClass, why };
  };
  const nothingLeft = (job: RunningJob) =>
    eventually(async () => ((await job.processes()).length === 0 ? true : undefined));
  const mounts = ['/usr:/usr', `${model}:/data`];
  const own = [model, cache, `${cache}/hub`].map((one) => `${one}:${one}`);
  const told = (name: string) =>
    `<--container-image=${name}><--container-workdir=/><--no-container-entrypoint><--container-mounts=${[...own, ...mounts].join(',')}>`;

  for (const [nodes, type] of [
    [1, 'torchrun'],
    [2, 'native'],
    [2, 'torchrun'],
  ] as const) {
    it(`has its preflight and its ranks inside: ${nodes} by ${type}, the secret in no command line`, async () => {
      const apiKey = path.join(directory, `key-${number}`);
      await writeFile(apiKey, 'sk-swordfish', { mode: 0o600 });
      const job = await start(
        { resources: { nodes, gpusPerNode: 0 }, launcher: { type } },
        { secretFiles: { apiKey }, environment: { PYTHONPATH: '/host' } },
      );
      await job.reached('ready');
      assert.deepEqual(await job.steps(), [`${told(image)} check_inside`, `${told(image)} run_node`]);
      const engine = await job.engineOn(`node00${nodes}`);
      const environment = (await readFile(`/proc/${engine}/environ`, 'utf8')).split('\0');
      assert.deepEqual(environment.filter((one) => /^(VLLM_API_KEY|PYTHONPATH|PYTHONNOUSERSITE)=/.test(one)).sort(), [
        'PYTHONNOUSERSITE=1',
        'VLLM_API_KEY=sk-swordfish',
      ]);
      for (const pid of await job.processes())
        assert.doesNotMatch(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''), /swordfish/);
      job.signal('SIGUSR1');
      assert.equal(await job.exited, 0, await job.log());
      await nothingLeft(job);
    });
  }

  it('ends when its engine does, and leaves nothing', async () => {
    const job = await start();
    await job.reached('ready');
    process.kill(await job.engineOn('node001'), 'SIGKILL');
    assert.equal(await job.exited, 68, await job.log());
    assert.equal((await lastWordsOf(job)).why, 'engine-exit-137:node001');
    await nothingLeft(job);
  });

  const names = [
    ['docker://vllm/vllm-openai:v1', 'vllm/vllm-openai:v1'],
    ['docker://nvcr.io/nvidia/vllm:1', 'nvcr.io#nvidia/vllm:1'],
    ['docker://host:5000/vllm', 'host:5000#vllm'],
    ['docker://vllm:1', 'vllm:1'],
  ] as const;
  for (const [reference, name] of names) {
    it(`names ${reference} as Enroot does`, async () => {
      const job = await start({ runtime: { type: 'pyxis', image: reference, mounts: ['/usr', `${model}:/data`] } });
      await job.reached('ready');
      assert.equal((await job.steps())[0], `${told(name)} check_inside`);
      job.signal('SIGTERM');
      assert.equal(await job.exited, 143);
    });
  }

  it('says so where SLURM has no such plugin, with what srun says itself', async () => {
    const job = await start({}, {}, false);
    assert.equal(await job.exited, 77, await job.log());
    assert.deepEqual(await lastWordsOf(job), {
      ...{ phase: 'failed', code: 77, failureClass: 'runtime', why: 'pyxis-missing' },
    });
    assert.match(await job.log(), /unrecognized option '--container-image=none'/);
  });

  const faults: readonly {
    readonly title: string;
    readonly spec: Partial<SpecInput>;
    readonly options?: JobOptions;
    readonly code: number;
    readonly why: string;
  }[] = [
    {
      title: 'an image file that is not there',
      spec: { runtime: { type: 'pyxis', image: '/nonexistent/vllm.sqsh' } },
      ...{ code: 78, why: 'image-missing:node001' },
    },
    {
      title: 'a mount that is not there',
      spec: { runtime: { type: 'pyxis', image, mounts: ['/nonexistent'] } },
      ...{ code: 78, why: 'mount-missing:node001' },
    },
    {
      title: 'an image without vLLM',
      spec: { engine: { type: 'vllm', env: { PATH: '/usr/bin:/bin' } } },
      ...{ code: 74, why: 'engine-not-in-image:node001' },
    },
    {
      title: 'an image of which no container comes',
      spec: { runtime: { type: 'pyxis', image: 'docker://none' } },
      options: {
        commands: {
          ...commands,
          srun: '#!/bin/bash\n[[ $* == *--help ]] || { echo "slurmstepd: error: pyxis: failed to import docker image" >&2; exit 1; }\n',
        },
      },
      ...{ code: 78, why: 'image-unusable' },
    },
  ];
  for (const { title, spec, options, code, why } of faults) {
    it(`finds ${title}: ${code}`, async () => {
      const job = await start(spec, options);
      assert.equal(await job.exited, code, await job.log());
      assert.equal((await lastWordsOf(job)).why, why);
    });
  }
});
