import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSecretFileName, secretFileName } from '../../src/launch/secrets.ts';

const of = { namespace: 'team-a', name: 'chat', replica: 3, attempt: 12, uid: '0f5c-11' };

test('the name of a secret file says whose it is and what, never what is in it, and reads back', () => {
  const name = secretFileName(of, 'hf-token');
  assert.equal(name, 'vllm.team-a.chat.r3.a12.0f5c-11.hf-token');
  assert.deepEqual([readSecretFileName(name), readSecretFileName(secretFileName(of, 'api-key'))], [of, of]);
});

test('files that are not ours are nobody’s', () => {
  const foreign = [
    'notes',
    '.draft-12',
    'vllm.a.b.r0.a1.api-key',
    'vllm.a.b.r0.a1.uid.pem',
    'x.vllm.a.b.r0.a1.u.api-key',
  ];
  assert.deepEqual(
    foreign.map(readSecretFileName),
    foreign.map(() => undefined),
  );
});

test('a name is short enough for any file system', () => {
  const longest = {
    namespace: 'n'.repeat(63),
    name: 'm'.repeat(63),
    replica: 511,
    attempt: 999_999_999,
    uid: 'u'.repeat(64),
  };
  assert.ok(secretFileName(longest, 'hf-token').length <= 255);
});
