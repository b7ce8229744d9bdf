import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { err, ok } from '../../../src/result.ts';
import type { SecretReader } from '../../../src/secrets/secrets.ts';
import { createNamespaceCredentials } from '../../../src/slurm/rest/namespace-credentials.ts';
import { createManualClock } from '../../gen/manual-clock.ts';
import { jwt } from './jwt.ts';

const NOW_S = 1_800_000_000;
const LIFE = { iat: NOW_S, exp: NOW_S + 3600 };
const of = (sun: string): string => jwt({ ...LIFE, sun });

/** What Secrets hold by `namespace/name.key`; what begins with `!` is an error of that kind. */
function site(held: Record<string, string>, required = true) {
  const clock = createManualClock(NOW_S * 1000);
  const asked: string[] = [];
  const secrets: SecretReader = {
    async read(namespace, { secretKeyRef = { name: '', key: '' } }) {
      const { name, key } = secretKeyRef;
      const place = `${namespace}/${name}`;
      asked.push(`${place}.${key}`);
      const value = held[`${place}.${key}`];
      if (value === '!unreachable') return err({ kind: 'unreachable', message: 'no answer' });
      if (value !== undefined) return ok(value);
      const isAbsent = !Object.keys(held).some((one) => one.startsWith(`${place}.`));
      if (isAbsent) return err({ kind: 'missing', message: `there is no Secret ${place}`, isAbsent });
      return err({ kind: 'missing', message: `there is no key ${key} in Secret ${place}` });
    },
  };
  return { clock, asked, held, ...createNamespaceCredentials({ secretName: 'slurm', required, secrets, clock }) };
}

describe('who a namespace is to SLURM', () => {
  it('says the token in its own Secret, and no other namespace’s', async () => {
    const { of: whoIs, asked } = site({ 'team-a/slurm.token': of('alice'), 'team-b/slurm.token': of('bob') });
    const [a, b] = [await whoIs('team-a'), await whoIs('team-b')];
    assert.deepEqual(
      a,
      ok({
        user: 'alice',
        token: of('alice'),
        source: 'Secret team-a/slurm',
        endsMs: LIFE.exp * 1000,
        endsSoon: false,
      }),
    );
    assert.equal(b.ok && b.value?.user, 'bob');
    assert.deepEqual(asked, ['team-a/slurm.token', 'team-b/slurm.token']);
  });

  it('says the key user where the token does not', async () => {
    const { of: whoIs } = site({ 'team-a/slurm.token': jwt(LIFE), 'team-a/slurm.user': 'alice' });
    const who = await whoIs('team-a');
    assert.equal(who.ok && who.value?.user, 'alice');
  });

  it('is asked once for all turns of a moment, and what has changed is taken up after it', async () => {
    const { of: whoIs, asked, held, clock } = site({ 'team-a/slurm.token': of('alice') });
    await Promise.all([whoIs('team-a'), whoIs('team-a')]);
    held['team-a/slurm.token'] = of('bob');
    await clock.advance(5_000);
    const who = await whoIs('team-a');
    assert.deepEqual([who.ok && who.value?.user, asked.length], ['bob', 2]);
  });

  it('is told to end in its last quarter, and ended is not used', async () => {
    const { of: whoIs, clock } = site({ 'team-a/slurm.token': of('alice') });
    const endsSoon = async () => {
      const who = await whoIs('team-a');
      return who.ok ? who.value?.endsSoon : who.error;
    };
    assert.equal(await endsSoon(), false);
    await clock.advance(2_700_000);
    assert.equal(await endsSoon(), true);
    await clock.advance(900_000);
    assert.deepEqual(await endsSoon(), {
      kind: 'missing',
      message:
        'the token in Secret team-a/slurm expired at 2027-01-15T09:00:00.000Z; write a new one there: `scontrol token lifespan=SECONDS` prints it',
    });
  });

  const wanted = /its key token is to hold what `scontrol token lifespan=SECONDS` prints for the SLURM user/;
  for (const [what, held, kind, words] of [
    ['without a Secret', {}, 'missing', /^there is no Secret team-a\/slurm; its key/],
    ['whose Secret has no token', { 'team-a/slurm.user': 'alice' }, 'missing', /^there is no key token in .*; its key/],
    ['whose Secret holds something else', { 'team-a/slurm.token': 'hunter22' }, 'missing', /holds no JSON Web Token/],
    ['with a token of nobody', { 'team-a/slurm.token': jwt(LIFE) }, 'missing', /set user in Secret team-a\/slurm$/],
    ['with one of root', { 'team-a/slurm.token': of('root') }, 'missing', /end everybody's jobs: .* ordinary user$/],
    ['with one of SLURM’s user', { 'team-a/slurm.token': of('slurm') }, 'missing', /end everybody's jobs/],
    ['with an odd user', { 'team-a/slurm.token': of('a\nb') }, 'missing', /names a user that no system has/],
    ['whose Secret cannot be asked for', { 'team-a/slurm.token': '!unreachable' }, 'unreachable', /^no answer$/],
  ] as const) {
    it(`${what} is nobody, and no message holds any of a token`, async () => {
      const { of: whoIs } = site({ ...held });
      const who = await whoIs('team-a');
      assert.ok(!who.ok);
      assert.equal(who.error.kind, kind);
      assert.match(who.error.message, words);
      if (/no (Secret|key)/.test(who.error.message)) assert.match(who.error.message, wanted);
      for (const value of Object.values(held)) assert.ok(!who.error.message.includes(value) || value === 'alice');
    });
  }

  it('is the operator itself only where that is allowed and there is no Secret at all', async () => {
    const { of: whoIs, held, clock } = site({}, false);
    const now = async () => {
      await clock.advance(5_000);
      const who = await whoIs('team-a');
      return who.ok ? (who.value?.user ?? 'the operator') : who.error.kind;
    };
    const seen = [await now()];
    for (const token of ['nonsense', of('root'), jwt({ exp: NOW_S - 1, sun: 'alice' }), '!unreachable', of('alice')]) {
      held['team-a/slurm.token'] = token;
      seen.push(await now());
    }
    assert.deepEqual(seen, ['the operator', 'missing', 'missing', 'missing', 'unreachable', 'alice']);
  });
});

describe('jobs of a user whom the namespace was known as', () => {
  it('can be ended by the last token that was read, as long as that lasts, and by no other user’s', async () => {
    const { ofUser, of: whoIs, lastUser, held, clock } = site({ 'team-a/slurm.token': of('alice') });
    await whoIs('team-a');
    delete held['team-a/slurm.token'];
    await clock.advance(5_000);
    assert.deepEqual((await whoIs('team-a')).ok, false);
    assert.deepEqual(await ofUser('team-a', 'alice'), { user: 'alice', token: of('alice') });
    assert.deepEqual([await ofUser('team-a', 'bob'), await ofUser('team-b', 'alice')], [undefined, undefined]);
    assert.deepEqual([lastUser('team-a'), lastUser('team-b')], ['alice', undefined]);
    await clock.advance(3_600_000);
    assert.equal(await ofUser('team-a', 'alice'), undefined);
  });
});
