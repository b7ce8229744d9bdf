import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { describe, test } from 'node:test';
import { jobProcesses } from './operator/processes.ts';
import { liveJobs } from './operator/queue.ts';
import { setStage } from './operator/stage.ts';
import { until } from './operator/until.ts';
import { whyNoBed } from './slurm-bed/bed.ts';

/** What another user, SLURM's own files and ours show of the secrets of a deployment: nothing. */

const TOKEN = 'canary-token-of-the-environment';
const KEY = 'canary-key-of-the-file';
const NEW_KEY = 'canary-key-after-a-rotation';
const isCanary = (text: string): boolean => text.includes('canary-');

describe('secrets on a real SLURM', { skip: whyNoBed() ?? false }, () => {
  const on = setStage({ accounting: true, nodes: 2, messageTimeoutSeconds: 5 });

  test('reach the engine, protect the endpoint, outlive a rotation, and are seen by nobody else', async () => {
    const desk = await on.workspace();
    const { bed } = on;
    const source = join(desk.directory, '..', 'key');
    await writeFile(source, `${KEY}\n`, { mode: 0o600 });
    await desk.write('guarded', {
      model: { uri: 'hf://example/guarded', name: 'guarded', tokenFrom: { env: 'CANARY_TOKEN' } },
      endpoint: { apiKeyFrom: { file: source } },
    });
    const operator = await desk.operate({ CANARY_TOKEN: TOKEN }, '--log-level=trace');
    await desk.ready('guarded');
    const [job] = await liveJobs(bed, 'guarded');
    assert.ok(job);
    const { url } = await desk.status('guarded');
    assert.deepEqual(
      [(await fetch(`${url}/v1/models`)).status, (await desk.run('query', 'guarded', 'Hello')).code],
      [401, 0],
    );

    const { engine } = await jobProcesses(bed, job.id);
    assert.ok(engine);
    const given = (await readFile(`/proc/${engine}/environ`, 'utf8')).split('\0').filter(isCanary).sort();
    assert.deepEqual(given, [`HF_TOKEN=${TOKEN}`, `VLLM_API_KEY=${KEY}`]);

    const asks: readonly (readonly string[])[] = [
      ['scontrol', 'show', 'job', '-dd', job.id],
      ['squeue', '--all', '-o', '%all'],
      ['sacct', '--allusers', '--parsable', '--format=ALL', '-j', job.id],
      ['scontrol', 'write', 'batch_script', job.id, '-'],
      ['ps', '-eo', 'args'],
      ['sh', '-c', 'cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ'],
      ['sh', '-c', `cat ${desk.secrets}/*/* ${source}`],
    ];
    for (const ask of asks) assert.equal(isCanary(await shown(() => bed.asUser(...ask))), false, ask.join(' '));
    // The questions are real ones: SLURM shows the job to anybody, and root is shown what nobody else is.
    for (const ask of asks.slice(0, 3))
      assert.match(await shown(() => bed.asUser(...ask)), /vllm\.default\.guarded\.r0\.a1/, ask.join(' '));
    for (const ask of asks.slice(-2)) assert.ok(isCanary(await shown(() => bed.run(...ask))), ask.join(' '));
    // Even to the job's own user SLURM has none to show.
    for (const ask of asks.slice(0, 4))
      assert.equal(isCanary(await shown(() => bed.run(...ask))), false, ask.join(' '));

    // A failure puts the end of a log on the object; a new attempt takes the new value.
    await writeFile(source, `${NEW_KEY}\n`, { mode: 0o600 });
    process.kill(engine, 'SIGKILL');
    const { lastFailure } = await desk.shows(
      'guarded',
      ({ readyReplicas, lastFailure: failure }) => readyReplicas === 1 && failure !== undefined,
    );
    assert.notEqual(lastFailure?.logTail ?? '', '');
    assert.equal((await desk.run('query', 'guarded', 'Hello')).code, 0);
    const again = await liveJobs(bed, 'guarded');
    const next = await jobProcesses(bed, again[0]?.id ?? '');
    const newer = (await readFile(`/proc/${next.engine}/environ`, 'utf8')).split('\0').filter(isCanary).sort();
    assert.deepEqual(newer, [`HF_TOKEN=${TOKEN}`, `VLLM_API_KEY=${NEW_KEY}`]);

    // All of the bed's files, as root: SLURM's state, spool and logs, the jobs' logs, status and event files.
    const placed = await until('the sweep', async () => {
      const now = await filesWithCanary(bed.directory);
      return now.filter((file) => file.startsWith(desk.secrets)).length === 2 ? now : undefined;
    });
    assert.deepEqual(
      placed
        .map((file) => relative(join(desk.directory, '..'), file).replace(/\/[^/]+\/(?=vllm)|\.[0-9a-f-]{36}/g, '/'))
        .sort(),
      ['key', 'secrets/vllm.default.guarded.r0.a2/.api-key', 'secrets/vllm.default.guarded.r0.a2/.hf-token'],
    );
    for (const file of placed) assert.equal(((await stat(file)).mode & 0o777).toString(8), '600', file);
    assert.equal(isCanary(operator.log()), false);
    for (const command of [
      ['describe', 'guarded'],
      ['get', 'guarded', '-o', 'yaml'],
      ['logs', 'guarded'],
      ['logs', 'guarded', '-p'],
    ])
      assert.equal(isCanary(await desk.tell(...command)), false, command.join(' '));

    await desk.remove('guarded');
    await until('the end', async () => (await liveJobs(bed, 'guarded')).length === 0 || undefined);
    await until('no secret is left', async () => (await filesWithCanary(bed.directory)).join() === source || undefined);
  });
});

/** Output of a command, or what it said when it was refused. */
async function shown(command: () => Promise<string>): Promise<string> {
  try {
    return await command();
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout?: string; readonly stderr?: string };
    return `${stdout ?? ''}${stderr ?? ''}`;
  }
}

async function filesWithCanary(directory: string): Promise<readonly string[]> {
  const all = await readdir(directory, { recursive: true, withFileTypes: true });
  const found = await Promise.all(
    all
      .filter((one) => one.isFile())
      .map(async ({ parentPath, name }) => {
        const file = join(parentPath, name);
        const text = await readFile(file, 'latin1').catch(() => ''); // it is gone
        return isCanary(text) ? [file] : [];
      }),
  );
  return found.flat().sort();
}
