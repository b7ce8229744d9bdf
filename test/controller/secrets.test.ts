import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { forgetSecrets, lackingSecrets, withKeys } from '../../src/controller/secrets.ts';
import { sweepSecrets } from '../../src/controller/sweep-secrets.ts';
import type { OwnJob } from '../../src/decide/observation.ts';
import type { WantedEndpoint } from '../../src/decide/questions.ts';
import { err, ok } from '../../src/result.ts';
import type { SecretReader } from '../../src/secrets/secrets.ts';
import { atMs, endedJob, KEY, NOW, record, resource, runningJob } from '../gen/observation.ts';
import { ground } from './ground.ts';

const KEYED = { endpoint: { apiKeyFrom: { env: 'KEY' } } };
const lacks: SecretReader = { read: async () => err({ kind: 'missing', message: 'there is no KEY' }) };
const holds: SecretReader = { read: async () => ok('sk-now') };

describe('the secrets of a spec', () => {
  it('that cannot be read are told by field and reason, and no value is kept', async () => {
    const both = { model: { uri: 'hf://a/b', tokenFrom: { env: 'T' } }, ...KEYED };
    const half: SecretReader = { read: async (_, { env }) => (env === 'T' ? ok('hf_x') : lacks.read('', {})) };
    assert.deepEqual(await lackingSecrets(resource({ spec: both }), ground({ secrets: half })), [
      { field: 'spec.endpoint.apiKeyFrom', kind: 'missing', message: 'there is no KEY' },
    ]);
  });

  it('are not asked for where there are none, or the deployment goes', async () => {
    const deps = ground({ secrets: lacks });
    assert.deepEqual(await lackingSecrets(resource(), deps), []);
    assert.deepEqual(await lackingSecrets(resource({ spec: KEYED, deletingSinceMs: NOW }), deps), []);
  });
});

describe('an endpoint is asked', () => {
  const endpoint = { id: '101@0', url: 'http://10.0.0.1:1', ownModelName: 'own', periodMs: 1, timeoutMs: 1 };
  const wanted: WantedEndpoint = { ...endpoint, key: { file: 'a.api-key', certain: true } };

  it('with the key its job was started with, whatever the source holds by now', async () => {
    const deps = ground({ secrets: holds });
    await deps.secretFiles.write('a.api-key', 'sk-then');
    const keyed = { targets: [{ ...endpoint, apiKey: 'sk-then' }], unasked: new Map() };
    assert.deepEqual(await withKeys(resource({ spec: KEYED }), [wanted], deps), keyed);
    assert.deepEqual(await withKeys(resource(), [wanted], deps), keyed);
  });

  it('with the present key where the file of its attempt is lost', async () => {
    const { targets } = await withKeys(resource({ spec: KEYED }), [wanted], ground({ secrets: holds }));
    assert.deepEqual(targets, [{ ...endpoint, apiKey: 'sk-now' }]);
  });

  it('without a key where it has none', async () => {
    const deps = ground({ secrets: lacks });
    const bare = { targets: [endpoint], unasked: new Map() };
    assert.deepEqual(await withKeys(resource(), [wanted], deps), bare);
    assert.deepEqual(await withKeys(resource(), [{ ...wanted, key: 'none' }], deps), bare);
    const older: WantedEndpoint = { ...endpoint, key: { file: 'a.api-key', certain: false } };
    assert.deepEqual(await withKeys(resource({ spec: KEYED }), [older], deps), bare);
  });

  it('not at all where nobody knows its key: a refusal would look like its death', async () => {
    const lost = ground({ secrets: lacks });
    const silent = ground({ secrets: holds });
    silent.secretFiles.read = async () => err('the disk does not answer');
    const told = async (deps: typeof lost) => {
      const { targets, unasked } = await withKeys(resource({ spec: KEYED }), [wanted], deps);
      return [targets, unasked.get('101@0')];
    };
    const memory = { lastOkMs: undefined, failures: 0 };
    assert.deepEqual(await told(lost), [
      [],
      { ...memory, lastError: 'it is not asked, its key cannot be read (spec.endpoint.apiKeyFrom: there is no KEY)' },
    ]);
    assert.deepEqual(await told(silent), [
      [],
      { ...memory, lastError: 'it is not asked, its key cannot be read (the disk does not answer)' },
    ]);
  });
});

const fileOf = (attempt: number, uid = 'uid-1') => `vllm.default.chat.r0.a${attempt}.${uid}.api-key`;

describe('secret files', () => {
  it('go with their deployment, and no other’s with them', async () => {
    const deps = ground();
    for (const file of [fileOf(1), fileOf(2), fileOf(1, 'uid-2')]) await deps.secretFiles.write(file, 'sk-x');
    await forgetSecrets(resource(), deps);
    assert.deepEqual(Object.keys(deps.secretFiles.held()), [fileOf(1, 'uid-2')]);
  });

  it('that cannot be removed keep no deployment from going: it is told, and left to the sweep', async () => {
    const deps = ground();
    await deps.secretFiles.write(fileOf(1), 'sk-x');
    deps.secretFiles.remove = async () => err('the disk does not answer');
    await forgetSecrets(resource(), deps);
    assert.deepEqual(deps.logged, ['a secret file is not removed yet; a sweep will']);
  });

  /** What is left of one attempt's file. The first resource of a store has the uid of the jobs the builders make. */
  async function swept(about: {
    readonly attempt: number;
    readonly record?: ReturnType<typeof record>;
    readonly jobs?: readonly OwnJob[];
    readonly uid?: string;
    readonly silent?: boolean;
  }): Promise<boolean> {
    const deps = ground();
    deps.store.apply(KEY, { model: { uri: 'hf://org/model' } });
    const got = await deps.store.get(KEY);
    assert.ok(got.ok && got.value);
    await deps.store.writeStatus(got.value, { records: about.record ? [about.record] : [] });
    const file = fileOf(about.attempt, about.uid);
    await deps.secretFiles.write(file, 'sk-x');
    if (about.silent) deps.store.get = async () => err({ kind: 'unavailable', message: 'the store does not answer' });
    await sweepSecrets({ askedAtMs: NOW, jobs: new Map([['default/chat', about.jobs ?? []]]) }, deps);
    return !(file in deps.secretFiles.held());
  }

  const over = record({ attempt: 2, settledAttempt: 2 });
  const rows = [
    ['of an attempt that was judged', { attempt: 2, record: over }, true],
    ['of an older attempt', { attempt: 1, record: record({ attempt: 2, settledAttempt: 1 }) }, true],
    ['of a deployment that is gone', { attempt: 1, uid: 'uid-0', record: over }, true],
    ['whose job has ended', { attempt: 2, record: over, jobs: [endedJob({ attempt: 2 })] }, true],
    ['whose job lives', { attempt: 2, record: over, jobs: [runningJob({ attempt: 2 })] }, false],
    [
      'whose deployment is gone and whose job lives',
      { attempt: 1, uid: 'uid-0', jobs: [runningJob({ uid: 'uid-0' })] },
      false,
    ],
    ['of the attempt on record', { attempt: 1, record: record() }, false],
    ['of an attempt that is claimed and not on record yet', { attempt: 1 }, false],
    ['that may still land', { attempt: 2, record: { ...over, doubtUntil: atMs(0.001) } }, false],
    ['that was submitted after the listing', { attempt: 2, record: { ...over, submitTime: atMs(1) } }, false],
    ['while the store does not answer', { attempt: 2, record: over, silent: true }, false],
  ] as const;
  for (const [title, about, gone] of rows) {
    it(`${title} ${gone ? 'are swept' : 'are kept'}`, async () => assert.equal(await swept(about), gone));
  }

  it('that are not ours to name are left alone', async () => {
    const deps = ground();
    await deps.secretFiles.write('notes', 'x');
    await sweepSecrets({ askedAtMs: NOW, jobs: new Map() }, deps);
    assert.deepEqual(Object.keys(deps.secretFiles.held()), ['notes']);
  });
});
