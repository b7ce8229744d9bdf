import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { plainScript } from '../../src/launch/plain-script.ts';
import { readIdentity } from '../../src/slurm/identity.ts';
import { createComputeNode } from './compute-node.ts';

describe('a job without an operator', async () => {
  const node = await createComputeNode();
  after(() => node.close());

  it('comes up under the same supervisor, says under its own name where it is, and drains', async () => {
    const job = await node.start({ render: (input) => plainScript({ ...input, name: 'chat', remarks: ['a remark'] }) });
    const { port } = await job.reached('ready');
    const response = await fetch(`http://127.0.0.1:${port}/v1/models`);
    const { data } = (await response.json()) as { readonly data: readonly { readonly id: string }[] };
    assert.deepEqual(
      data.map(({ id }) => id),
      ['echo', 'chat', job.ownModelName],
    );
    job.signal('SIGTERM');
    assert.equal(await job.exited, 143);
    const comments = (await job.comments()).map((comment) => comment.replace(/after=\d+/, 'after=N'));
    assert.deepEqual(comments, [
      'chat|phase=starting|node=node001',
      `chat|phase=loading|node=node001|port=${port}`,
      `chat|phase=ready|node=node001|port=${port}|after=N`,
    ]);
    assert.equal(readIdentity({ name: 'chat', comment: comments[2] ?? '' }), undefined);
  });
});
