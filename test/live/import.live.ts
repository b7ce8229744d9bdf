import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PIXEL } from '../gen/picture.ts';
import { quietPorts } from '../launch/compute-node.ts';
import { liveJobs, queue } from './operator/queue.ts';
import { setStage } from './operator/stage.ts';
import { until } from './operator/until.ts';
import { whyNoBed } from './slurm-bed/bed.ts';

/** From a set of launch scripts to endpoints that answer, nothing edited in between; and out again, to a plain job. */

const STAND_IN = fileURLToPath(new URL('../../src/standin/stand-in.ts', import.meta.url));
const QUESTION = 'Who are you?';
const answer = (asked: string): string => `This is a stand-in, not a language model. It was asked: "${asked}"\n`;

/** A virtual environment whose vLLM is the stand-in. */
async function makeVenv(directory: string): Promise<void> {
  await mkdir(join(directory, 'bin'), { recursive: true });
  const programs = {
    vllm: `exec '${process.execPath}' '${STAND_IN}' "$@"`,
    // Asked for the version of vLLM before anything is started.
    python: 'echo 0.15.1',
  };
  for (const [name, command] of Object.entries(programs)) {
    const file = join(directory, 'bin', name);
    await writeFile(file, `#!/bin/sh\n${command}\n`);
    await chmod(file, 0o755);
  }
}

const configFile = (home: string, port: number): string => `active_model: qwen
models:
  qwen:
    name: "Qwen3"
    huggingface_id: "${home}/weights/qwen"
    job_script: "jobs/qwen.sh"
    gpus: 2
    nodes: 1
    time: "1:00:00"
  llama:
    name: "Llama-4"
    huggingface_id: "${home}/weights/llama"
    port: ${port}
    gpus: 1
    nodes: 1
    vision: true
    extra_args: "--max-num-seqs 8 --limit-mm-per-prompt '{\\"image\\": 2}'"
slurm:
  partition: "gpu"
  time_default: "2:00:00"
  cpus_per_task: 1
  mem_per_gpu: "100M"
cache:
  huggingface_cache: "${home}/hf"
paths:
  venv_dir: "${home}/venv"
vllm:
  gpu_memory_utilization: 0.90
  max_model_len_default: 32768
distributed:
  rdzv_backend: "c10d"
nccl:
  socket_ifname: ""
  debug: "WARN"
quantization:
logging:
  level: "INFO"
`;
const JOB_SCRIPT = `#!/bin/bash
#SBATCH --nodes=1
#SBATCH --gres=gpu:2
vllm serve "$MODEL" --served-model-name qwen \\
  --enable-auto-tool-choice --tool-call-parser hermes
`;

describe('launch scripts that move over', { skip: whyNoBed() ?? false }, () => {
  const on = setStage({ nodes: 2, minJobAgeSeconds: 20 });

  test('two models of an imported config serve, and an exported one serves without the operator', async () => {
    const desk = await on.workspace();
    const home = dirname(desk.directory);
    const scripts = join(home, 'scripts');
    await makeVenv(join(home, 'venv'));
    for (const made of ['weights/qwen', 'weights/llama', 'hf', 'scripts/jobs'])
      await mkdir(join(home, made), { recursive: true });
    const llamaPort = await quietPorts(1);
    await writeFile(join(scripts, 'config.yaml'), configFile(home, llamaPort));
    await writeFile(join(scripts, 'jobs/qwen.sh'), JOB_SCRIPT);

    const report = JSON.parse(
      await desk.tell('import', join(scripts, 'config.yaml'), '--output', home, '--all', '--format', 'json'),
    );
    assert.deepEqual(report.warnings, []);
    await desk.operate({}, '--config', join(home, 'operator.yaml'));
    await Promise.all([desk.ready('qwen'), desk.ready('llama')]);
    assert.deepEqual(
      (await desk.get('llama')).status.endpoints?.map(({ port, ready }) => [port, ready]),
      [[llamaPort, true]],
    );
    const picture = join(home, 'pixel.png');
    await writeFile(picture, PIXEL);
    for (const name of ['qwen', 'llama']) {
      assert.equal(await desk.tell('query', name, QUESTION), answer(QUESTION));
      assert.equal(
        await desk.tell('query', name, QUESTION, '--image', picture),
        answer(`[image/png of ${PIXEL.length} bytes] ${QUESTION}`),
      );
    }
    const asked = await on.bed.run('squeue', '-h', '-S', 'j', '-t', 'R', '-o', '%j|%P|%l|%C|%b');
    assert.deepEqual(
      asked
        .split('\n')
        .filter((line) => /^vllm\.default\.(qwen|llama)\./.test(line))
        // Some versions say `gres/gpu:2`.
        .map((line) => line.replace(/\|gres[:/]/, '|')),
      ['vllm.default.llama.r0.a1|gpu|2:00:00|1|gpu:1', 'vllm.default.qwen.r0.a1|gpu|1:00:00|1|gpu:2'],
    );
    const { url } = (await desk.get('qwen')).status;
    const models = await fetch(`${url}/v1/models`).then((response) => response.json());
    assert.deepEqual(
      (models as { readonly data: readonly { readonly id: string }[] }).data.map(({ id }) => id).slice(0, 2),
      ['qwen', 'Qwen3'],
    );

    // Out again: the deployment goes, its job comes by a person's own sbatch.
    const script = join(home, 'qwen.sbatch');
    await desk.tell('export', 'qwen', '--config', join(home, 'operator.yaml'), '--output', script);
    await rm(join(desk.directory, 'qwen.yaml'));
    await until('no live job of qwen', async () => (await liveJobs(on.bed, 'qwen')).length === 0 || undefined);
    const id = await on.bed.run('sbatch', '--parsable', `--chdir=${home}`, script);
    let seen: unknown = id;
    const plain = await until(
      () => seen,
      async () => {
        const jobs = await queue(on.bed);
        seen = [jobs, await readFile(join(home, `qwen-${id}.log`), 'utf8').catch(() => 'no log')];
        return jobs.find((job) => job.id === id && job.comment.includes('|phase=ready|'));
      },
    );
    assert.deepEqual([plain.name, plain.state], ['qwen', 'RUNNING']);
    const port = /^qwen\|phase=ready\|node=node00\d\|port=(\d+)\|after=\d+$/.exec(plain.comment)?.[1];
    assert.ok(port, plain.comment);
    const answered = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: 'qwen', messages: [{ role: 'user', content: QUESTION }] }),
    });
    assert.equal(answered.status, 200);
    assert.match(await readFile(join(home, `qwen-${id}.log`), 'utf8'), /Application startup complete/);
    await desk.ready('llama');
    await on.bed.run('scancel', id);
  });
});
