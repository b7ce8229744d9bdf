import assert from 'node:assert/strict';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { liveJobs } from './operator/queue.ts';
import { setStage } from './operator/stage.ts';
import { until } from './operator/until.ts';
import { whyNoBed } from './slurm-bed/bed.ts';
import { type SshBed, startSshBed } from './ssh-bed/bed.ts';
import { forced } from './ssh-bed/wire.ts';

/** The operator as a person meets it, SLURM being behind a real sshd, by a key that opens nothing else. */

describe('an operator whose cluster is behind ssh', { skip: whyNoBed() ?? false }, () => {
  const on = setStage({ minJobAgeSeconds: 60, messageTimeoutSeconds: 5 });
  let sshd: SshBed;
  before(async () => {
    sshd = await startSshBed({ environment: on.bed.env });
  });
  after(() => sshd?.stop());

  test('reaches Ready through it, survives its loss, and shows logs and answers through it', async () => {
    const desk = await on.workspace({
      settings: { 'cluster.ssh.host': sshd.host, 'cluster.ssh.configFile': sshd.configFile },
    });
    const keyFile = join(sshd.directory, 'api-key');
    await writeFile(keyFile, 'sk-of-the-endpoint\n');
    await chmod(keyFile, 0o600);
    // Without forwarding nobody can ask the endpoint: it is served, and nothing says so.
    await sshd.setKeyOptions(forced('restrict', desk.logs, desk.secrets));
    await desk.write('echo', { endpoint: { apiKeyFrom: { file: keyFile } } });
    const operator = await desk.operate();
    await until(
      'it says it serves',
      async () => (await liveJobs(on.bed, 'echo'))[0]?.comment.includes('|phase=ready|') || undefined,
    );
    const unheard = await desk.shows('echo', (status) =>
      /does not answer: (connection reset|the connection was closed)/.test(JSON.stringify(status)),
    );
    assert.notEqual(unheard.conditions?.find(({ type }) => type === 'Ready')?.status, 'True');
    await sshd.setKeyOptions(forced('restrict,port-forwarding', desk.logs, desk.secrets));
    await sshd.signal('SIGKILL');
    await desk.ready('echo');
    const [job, ...more] = await liveJobs(on.bed, 'echo');
    assert.ok(job && more.length === 0);

    assert.match(await desk.tell('query', 'echo', 'Who are you?'), /stand-in.*Who are you\?/);
    assert.match(await desk.tell('logs', 'echo'), /Application startup complete/);
    assert.match(await desk.tell('logs', 'echo', '--tail=3'), /\n/);
    const { checks } = JSON.parse((await desk.run('doctor', '--json', '--job')).stdout) as {
      readonly checks: readonly { readonly check: string; readonly state: string }[];
    };
    const states = Object.fromEntries(checks.map(({ check, state }) => [check, state]));
    const { connection, controller, directories, sharing } = states;
    assert.deepEqual(
      { connection, controller, directories, sharing },
      {
        connection: 'ok',
        controller: 'ok',
        directories: 'ok',
        sharing: 'ok',
      },
    );

    await sshd.setListening(false);
    const lost = await desk.shows(
      'echo',
      ({ conditions }) =>
        conditions?.find(({ type }) => type === 'SlurmReachable')?.status === 'False' &&
        conditions.find(({ type }) => type === 'Ready')?.status !== 'True',
    );
    assert.match(JSON.stringify(lost.conditions), /no connection to login1: nobody answers at that port/);
    const refused = await desk.run('logs', 'echo');
    assert.deepEqual([refused.code, /no connection to login1/.test(refused.stderr)], [1, true]);
    const told = await desk.run('doctor');
    assert.match(told.stdout, /error\s+connection[\s\S]*nobody answers at that port/);

    await sshd.setListening(true);
    await desk.ready('echo');
    assert.deepEqual(
      (await liveJobs(on.bed, 'echo')).map(({ id }) => id),
      [job.id],
    );
    // However it ends, its connection does.
    await operator.stop('SIGKILL');
    await until('no connection is left', async () => (await sshd.connections()).length === 0 || undefined);
    assert.doesNotMatch(operator.log(), /sk-of-the-endpoint/);
    assert.doesNotMatch(await readFile(join(sshd.directory, 'sshd.log'), 'utf8'), /sk-of-the-endpoint/);
  });
});
