import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createTokenFile } from '../../../src/slurm/rest/token.ts';
import { createManualClock } from '../../gen/manual-clock.ts';
import { jwt } from './jwt.ts';

const NOW_S = 1_800_000_000;

describe('a token', () => {
  let directory = '';
  let file = '';
  before(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'vllm-slurm-token-'));
    file = path.join(directory, 'token');
  });
  after(() => rm(directory, { recursive: true }));

  const clock = createManualClock(NOW_S * 1000);
  const read = async (text: string, about: { readonly user?: string; readonly privileged?: boolean } = {}) => {
    await writeFile(file, text);
    return createTokenFile({ file, clock, privileged: false, ...about }).read();
  };
  const life = { iat: NOW_S, exp: NOW_S + 3600 };

  it('says whose it is and until when; its end is spoken of in its last quarter', async () => {
    const value = jwt({ ...life, sun: 'vllm' });
    assert.deepEqual(await read(`SLURM_JWT=${value}\n`), {
      ok: true,
      value: { value, user: 'vllm', expiresAtMs: (NOW_S + 3600) * 1000, noticedFromMs: (NOW_S + 2700) * 1000 },
    });
  });

  it('that lives long is spoken of in its last day', async () => {
    const token = await read(jwt({ iat: NOW_S, exp: NOW_S + 86_400 * 365, sun: 'vllm' }));
    assert.equal(token.ok && token.value.noticedFromMs, (NOW_S + 86_400 * 364) * 1000);
  });

  for (const [what, text, about, words] of [
    ['that is over', jwt({ exp: NOW_S - 1, sun: 'vllm' }), {}, /expired at 2027-01-15T07:59:59.000Z; write a new one/],
    ['of root', jwt({ ...life, sun: 'root' }), {}, /root's, who could end everybody's jobs/],
    ['of SLURM’s user', jwt({ ...life, sun: 'slurm' }), {}, /allowPrivilegedToken/],
    ['of nobody', jwt(life), {}, /does not say whose it is; set cluster.rest.user/],
    ['of somebody else', jwt({ ...life, sun: 'ann' }), { user: 'vllm' }, /is ann's, cluster.rest.user is vllm/],
    ['that is none', 'secret', {}, /holds no JSON Web Token/],
    ['without claims', 'a.b.c', {}, /has no claims that can be read/],
    ['that is far too long', 'x'.repeat(20_000), {}, /is too long for a token/],
  ] as const) {
    it(`${what} is refused, and is in no word of it`, async () => {
      const refused = await read(text, about);
      assert.ok(!refused.ok);
      assert.match(refused.error, words);
      assert.ok(!refused.error.includes(text));
    });
  }

  it('is not waited for without end where its file system is silent', async () => {
    const silent = path.join(directory, 'silent');
    execFileSync('mkfifo', [silent]);
    const tokens = createTokenFile({ file: silent, clock, privileged: false });
    const both = [tokens.read(), tokens.read()];
    await clock.advance(5_000);
    for (const token of await Promise.all(both))
      assert.deepEqual(token, { ok: false, error: `${silent} cannot be read: its file system is silent` });
    await writeFile(silent, '');
  });

  it('of root may be used by whoever insists', async () => {
    assert.ok((await read(jwt({ ...life, sun: 'root' }), { privileged: true })).ok);
  });

  it('is read again when its file is another one, and its absence is told', async () => {
    await writeFile(file, jwt({ ...life, sun: 'ann' }));
    const tokens = createTokenFile({ file, clock, privileged: false });
    const user = async () => {
      const token = await tokens.read();
      return token.ok ? token.value.user : token.error;
    };
    assert.equal(await user(), 'ann');
    await writeFile(`${file}.new`, jwt({ ...life, sun: 'bob' }));
    await rename(`${file}.new`, file);
    assert.equal(await user(), 'bob');
    await rm(file);
    assert.match(await user(), /^the token cannot be read: ENOENT.*scontrol token lifespan=SECONDS/);
  });
});
