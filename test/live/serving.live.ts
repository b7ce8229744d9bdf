import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { SpecInput } from '../../src/api/spec.ts';
import { faultNamed, injectAndLog, refuseModels } from './serving/faults.ts';
import type { LoadReport } from './serving/load.ts';
import { faultToResubmit, jobsOf } from './serving/resubmission.ts';
import { tinyModel } from './serving/specs.ts';
import { setStage } from './serving/stage.ts';
import { whyNoBed } from './slurm-bed/bed.ts';

/** Real vLLM, with a tiny model on CPUs, on real SLURM: tokens come out, and what cannot work says why. */

const LOAD = fileURLToPath(new URL('./serving/load.ts', import.meta.url));
/** A start takes 40 s alone on the machine. */
const READY_MS = 600_000;

describe('real vLLM on nodes with addresses of their own', { skip: whyNoBed() ?? false }, () => {
  const on = setStage({ nodes: 3 });

  /** A few tokens, the same each time: weights and prompt are. */
  const ask = (name: string): Promise<string> =>
    on.desk.tell('query', name, 'hello', '--max-tokens=16', '--temperature=0', '--no-stream');

  async function load(name: string, seconds: number): Promise<LoadReport> {
    const { url } = await on.desk.status(name);
    assert.ok(url);
    const flags = [`--url=${url}`, '--model=tiny', `--seconds=${seconds}`, '--concurrency=2'];
    return JSON.parse(await on.bed.run(process.execPath, LOAD, ...flags)) as LoadReport;
  }

  const answers: string[] = [];

  test('two nodes by torchrun serve as one endpoint, and a rank killed there brings a new job', async () => {
    await on.desk.write('two', tinyModel(on.vllm, 2));
    await on.desk.ready('two', READY_MS);
    answers.push(await ask('two'));
    const report = await load('two', 10);
    assert.deepEqual(report.failures, {});
    assert.ok(report.tokens > 0);

    const [job] = await jobsOf(on.bed, 'two');
    const [head, peer] = job?.nodes ?? [];
    assert.ok(job && head && peer);
    const atMs = await injectAndLog(on.bed, faultNamed('rank of a peer killed'), { head, peer });
    const resubmitMs = await faultToResubmit(on.bed, 'two', job.id, atMs, 60_000);
    assert.ok(resubmitMs <= 30_000, `resubmitted after ${resubmitMs} ms`);
    const { lastFailure } = await on.desk.status('two');
    assert.deepEqual([lastFailure?.jobId, lastFailure?.exitCode], [job.id, 68]);
    // The rank that lives on may write into the log that its peer is gone before the end is known.
    assert.match(lastFailure?.reason ?? '', /^(EngineFailed|CommunicationFailed)$/);
    await on.desk.remove('two');
  });

  test('the same without torchrun gives the same tokens', async () => {
    await on.desk.write('native', tinyModel(on.vllm, 2, 'native'));
    await on.desk.ready('native', READY_MS);
    answers.push(await ask('native'));
    assert.equal(answers[1], answers[0]);
    await on.desk.remove('native');
  });

  test('one node serves without either', async () => {
    await on.desk.write('one', tinyModel(on.vllm, 1));
    await on.desk.ready('one', READY_MS);
    assert.notEqual(await ask('one'), '');
    await on.desk.remove('one');
  });

  const stalls: readonly {
    readonly what: string;
    readonly name: string;
    spec(): Promise<SpecInput> | SpecInput;
    readonly exitCode: number;
    readonly words: RegExp;
  }[] = [
    {
      what: 'a model that three ranks cannot share',
      name: 'three',
      spec: () => ({ ...tinyModel(on.vllm, 1), parallelism: { tensor: 3 }, resources: { nodes: 3, gpusPerNode: 0 } }),
      exitCode: 64,
      words: /must be divisible by tensor parallel size/,
    },
    {
      what: 'a model that is not there',
      name: 'absent',
      spec: () => {
        const spec = tinyModel(on.vllm, 2);
        return { ...spec, model: { ...spec.model, uri: 'file:///nowhere/model' } };
      },
      exitCode: 73,
      words: /\/nowhere\/model/,
    },
    {
      what: 'a memory too small for one request',
      name: 'small',
      spec: () => {
        const spec = tinyModel(on.vllm, 1);
        const { VLLM_CPU_KVCACHE_SPACE: _, ...env } = spec.engine?.env ?? {};
        return { ...spec, engine: { ...spec.engine, args: ['--enforce-eager', '--kv-cache-memory-bytes=4096'], env } };
      },
      exitCode: 64,
      words: /(KV cache is needed|No available memory for the cache blocks).*spec\.engine\.maxModelLen/s,
    },
    {
      what: 'a cache that may not be written',
      name: 'readonly',
      async spec() {
        await on.bed.on('controller', 'root', 'mkdir', '-p', `${on.bed.directory}/closed`);
        const spec = tinyModel(on.vllm, 2);
        const { HF_HUB_OFFLINE: _, ...env } = spec.engine?.env ?? {};
        return {
          ...spec,
          model: { uri: 'hf://example/tiny', name: 'tiny', cache: { path: `${on.bed.directory}/closed` } },
          engine: { ...spec.engine, env },
        };
      },
      exitCode: 72,
      words: /cannot write to .*\/closed/,
    },
  ];
  for (const { what, name, spec, exitCode, words } of stalls) {
    test(`${what}: Stalled at once, with the reason in the log's tail`, async () => {
      await on.desk.write(name, await spec());
      const { lastFailure } = await on.desk.shows(name, 'Stalled', READY_MS, ({ phase }) => phase === 'Stalled');
      assert.equal(lastFailure?.exitCode, exitCode);
      assert.match(`${lastFailure?.message}\n${lastFailure?.logTail}\n${lastFailure?.advice}`, words);
      assert.equal((await jobsOf(on.bed, name)).length, 1);
      await on.desk.remove(name);
    });
  }

  test('a hub that refuses the model: Stalled at once, and it was asked once a node at most', async () => {
    const hub = await refuseModels(on.bed, 403);
    const spec = tinyModel(on.vllm, 2);
    const { HF_HUB_OFFLINE: _, ...env } = spec.engine?.env ?? {};
    await on.desk.write('gated', {
      ...spec,
      model: { uri: 'hf://example/gated', name: 'tiny' },
      engine: { ...spec.engine, env: { ...env, HF_ENDPOINT: hub.endpoint } },
    });
    const { lastFailure } = await on.desk.shows('gated', 'Stalled', READY_MS, ({ phase }) => phase === 'Stalled');
    assert.equal(lastFailure?.exitCode, 76, lastFailure?.logTail);
    const asked = hub
      .said()
      .split('\n')
      .filter((line) => line.startsWith('GET') || line.startsWith('HEAD'));
    assert.ok(asked.length >= 1 && asked.length <= 2, hub.said());
    await on.desk.remove('gated');
    await hub.end();
  });
});
