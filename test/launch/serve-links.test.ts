import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import net from 'node:net';
import { after, describe, it } from 'node:test';
import { createComputeNode, eventually, type JobOptions, type LinkDoor, type RunningJob } from './compute-node.ts';

/** What a job over several nodes learns from the connections that its other nodes hold to the first. */
describe('the links of a job over several nodes', { concurrency: 4 }, async () => {
  const cluster = await createComputeNode();
  after(() => cluster.close());

  const says = (job: RunningJob, words: RegExp) =>
    eventually(async () => (words.test(await job.log()) ? true : undefined));
  /** No token is missed meanwhile: the canary is an hour away. */
  const serving = async (options: JobOptions = {}) => {
    const job = await cluster.start({
      constants: { LINK_SECONDS: 2, PEER_SECONDS: 3600 },
      ...options,
      spec: { resources: { nodes: 2, gpusPerNode: 0 }, launcher: { type: 'native' }, ...options.spec },
      variables: { VSO_CANARY_PERIOD_SECONDS: '3600' },
    });
    await job.reached('ready');
    await says(job, /node=node002 is linked/);
    return job;
  };
  const lastWordsOf = async (job: RunningJob) => {
    const { phase, code, failureClass, why } = (await job.reports()).at(-1) ?? {};
    return { phase, code, failureClass, why };
  };
  const nothingLeft = (job: RunningJob) =>
    eventually(async () => ((await job.processes()).length === 0 ? true : undefined));
  const LOST = { phase: 'failed', code: 67, failureClass: 'node', why: 'lost:node002' };

  const cancel = async (job: RunningJob) => {
    job.signal('SIGTERM');
    assert.equal(await job.exited, 143, await job.log());
    await nothingLeft(job);
  };

  it('ends at once when the processes of a node are gone, and names it', async () => {
    const job = await serving();
    await job.loseNode('node002');
    assert.equal(await job.exited, 67, await job.log());
    assert.deepEqual(await lastWordsOf(job), LOST);
    await nothingLeft(job);
    assert.doesNotMatch(await job.log(), /watch_for_hang/);
  });

  it('ends at once when they are gone before the engine has started', async () => {
    const job = await cluster.start({
      constants: { LINK_SECONDS: 2, PEER_SECONDS: 3600 },
      spec: {
        resources: { nodes: 2, gpusPerNode: 0 },
        launcher: { type: 'native' },
        engine: { type: 'stand-in', args: ['--stand-in-startup-seconds=3600'] },
      },
    });
    await says(job, /node=node002 is linked/);
    await job.loseNode('node002');
    assert.equal(await job.exited, 67, await job.log());
    assert.deepEqual(await lastWordsOf(job), LOST);
  });

  it('serves on when a link ends and its node still runs commands', async () => {
    const job = await serving();
    process.kill(await job.linkOf('node002'), 'SIGKILL');
    await says(job, /without a link, and not found lost: node002; the job goes on/);
    await cancel(job);
  });

  it('serves on when nobody hears links any more', async () => {
    const job = await serving();
    process.kill((await job.linkDoor()).pid, 'SIGKILL');
    await says(job, /links are heard no more/);
    await job.deafenNode('node002');
    const { port } = await job.reached('ready');
    const answer = await fetch(`http://127.0.0.1:${port}/v1/models`);
    assert.equal(answer.status, 200);
    await cancel(job);
  });

  it('serves on while a node links itself again, though it runs no command', async (test) => {
    const job = await serving({ constants: { LINK_SECONDS: 5, PEER_SECONDS: 3600 } });
    const door = await job.linkDoor();
    await job.deafenNode('node002');
    process.kill(await job.linkOf('node002'), 'SIGKILL');
    await says(job, /node=node002: its link has ended/);
    const again = await knock(door, `${door.key} node002\n`);
    test.after(() => again.destroy());
    await says(job, /node=node002 has linked itself again/);
    again.destroy();
    assert.equal(await job.exited, 67, await job.log());
    assert.equal((await job.log()).match(/its link has ended/g)?.length, 2, await job.log());
    assert.deepEqual(await lastWordsOf(job), LOST);
  });

  it('believes nobody who does not know its key, and hears its nodes however many stand at the door', async (test) => {
    const job = await serving();
    const door = await job.linkDoor();
    const words = ['node002\n', `${'x'.repeat(32)} node002\n`, 'GET / HTTP/1.1\r\n\r\n', 'x'.repeat(4096)];
    const talkers = await Promise.all(Array.from({ length: 80 }, (_, i) => knock(door, words[i % words.length] ?? '')));
    const waiting = await Promise.all(Array.from({ length: 20 }, () => knock(door, '')));
    test.after(() => [...talkers, ...waiting].forEach((one) => void one.destroy()));
    await eventually(async () => (talkers.every(({ closed }) => closed) ? true : undefined));
    assert.doesNotMatch(await job.log(), /its link has ended/);
    await job.loseNode('node002');
    assert.equal(await job.exited, 67, await job.log());
  });

  it('shows its key to nobody else on a node', async () => {
    const job = await serving();
    const { key } = await job.linkDoor();
    assert.match(key, /^[0-9a-f]{32}$/);
    const shown = await Promise.all(
      (await job.processes()).map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
    );
    assert.equal([...shown, await job.log(), ...(await job.comments())].join('\n').includes(key), false);
    assert.equal((await readFile(`/proc/${await job.engineOn('node001')}/environ`, 'utf8')).includes(key), false);
    await cancel(job);
  });

  it('needs none on one node', async () => {
    const job = await cluster.start();
    await job.reached('ready');
    await assert.rejects(job.linkDoor(), /nobody hears links/);
    await cancel(job);
  });
});

/** Connects and says it; what the other side does to the connection is no fault. */
function knock({ port }: LinkDoor, words: string): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: '127.0.0.1' });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      socket.on('error', () => socket.destroy());
      socket.resume();
      socket.write(words);
      resolve(socket);
    });
  });
}
