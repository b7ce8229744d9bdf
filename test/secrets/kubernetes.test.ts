import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiError, ApiRequest } from '../../src/kubernetes/api.ts';
import { err, ok, type Result } from '../../src/result.ts';
import { createKubernetesSecrets } from '../../src/secrets/kubernetes.ts';

const SOURCE = { secretKeyRef: { name: 'hub', key: 'token' } };
const encoded = (text: string): string => Buffer.from(text).toString('base64');

function reading(answer: Result<unknown, ApiError>) {
  const asked: ApiRequest[] = [];
  const secrets = createKubernetesSecrets({
    async request(request) {
      asked.push(request);
      return answer;
    },
  });
  return { asked, read: () => secrets.read('team-a', SOURCE), secrets };
}

test('a key of a Secret is read from the deployment’s own namespace', async () => {
  const { asked, read } = reading(ok({ data: { token: encoded('hf_abc\n'), other: encoded('x') } }));
  assert.deepEqual(await read(), { ok: true, value: 'hf_abc' });
  assert.deepEqual(asked, [{ method: 'GET', path: '/api/v1/namespaces/team-a/secrets/hub' }]);
});

const CASES: readonly (readonly [string, Result<unknown, ApiError>, 'missing' | 'unreachable', RegExp])[] = [
  [
    'no Secret',
    err({ kind: 'refused', code: 404, reason: 'NotFound', message: '', about: 'hub' }),
    'missing',
    /^there is no Secret team-a\/hub$/,
  ],
  [
    'no right to read it',
    err({ kind: 'refused', code: 403, reason: 'Forbidden', message: 'forbidden' }),
    'missing',
    /^the operator may not read Secret team-a\/hub: forbidden$/,
  ],
  ['no such key', ok({ data: { other: encoded('x') } }), 'missing', /^there is no key token in Secret team-a\/hub$/],
  ['no data at all', ok({}), 'missing', /^there is no key token/],
  ['an empty value', ok({ data: { token: '' } }), 'missing', /^key token of Secret team-a\/hub is empty$/],
  ['a value that no header carries', ok({ data: { token: encoded('a b') } }), 'missing', /holds blanks or characters/],
  ['a server that is away', err({ kind: 'unreachable', message: 'no connection' }), 'unreachable', /no connection/],
  ['an answer that was lost', err({ kind: 'unknown', message: 'late' }), 'unreachable', /late/],
];
for (const [what, answer, kind, says] of CASES)
  test(`${what} is ${kind}, and no message holds any of a value`, async () => {
    const read = await reading(answer).read();
    assert.ok(!read.ok);
    assert.equal(read.error.kind, kind);
    assert.match(read.error.message, says);
  });

test('a Secret that is not there is told from one that lacks a key', async () => {
  const isAbsent = async (answer: Result<unknown, ApiError>) => {
    const read = await reading(answer).read();
    return !read.ok && read.error.kind === 'missing' && read.error.isAbsent === true;
  };
  const notFound = err({ kind: 'refused', code: 404, reason: 'NotFound', message: '', about: 'hub' } as const);
  assert.deepEqual([await isAbsent(notFound), await isAbsent(ok({ data: {} }))], [true, false]);
});

test('the environment and the files of the operator are nobody’s to name', async () => {
  const { asked, secrets } = reading(ok({}));
  for (const source of [{ env: 'HOME' }, { file: '/etc/passwd' }]) {
    const read = await secrets.read('team-a', source);
    assert.deepEqual(read.ok ? 'read' : read.error.kind, 'missing');
  }
  assert.deepEqual(asked, []);
});
