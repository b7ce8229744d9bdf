import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../../src/clock.ts';
import { createSlurmRest, type SlurmRestOptions } from '../../../src/slurm/rest/rest.ts';
import type { Slurm } from '../../../src/slurm/slurm.ts';
import { createManualClock } from '../../gen/manual-clock.ts';
import { recorded } from '../cli/recorded.ts';
import { answer, job, type RecordedVersion } from './recorded.ts';

type Reply = (request: IncomingMessage, response: ServerResponse, body: string) => void;
type Said = { readonly method: string; readonly path: string; readonly body: string };

const NAME = 'vllm.ml.chat.r0.a1';
const SUBMISSION = { name: NAME, script: `#!/bin/bash\n#SBATCH --job-name=${NAME}\nexit 0\n` };
const SECRET = 'header.payload.signature';

const says =
  (status: number, body: unknown): Reply =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };

const closers: (() => Promise<void>)[] = [];
after(() => Promise.all(closers.map((close) => close())));

/** A slurmrestd that says what it is told to, and an adapter before it. */
async function facing(
  version: RecordedVersion,
  replies: Readonly<Record<string, Reply>>,
  about: Partial<SlurmRestOptions> = {},
): Promise<{ readonly slurm: Slurm; readonly said: readonly Said[] }> {
  const said: Said[] = [];
  const paths = recorded(version, 'rest/openapi-paths.txt').split('\n');
  const openapi = { paths: Object.fromEntries(paths.map((line) => [line.split(' ')[1] ?? '', {}])) };
  const all: Readonly<Record<string, Reply>> = { 'GET openapi': says(200, openapi), ...replies };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const { method = '', url = '' } = request;
      said.push({ method, path: url, body });
      const what = `${method} ${/openapi|slurmdb|job\/submit|nodes|jobs|job/.exec(url)?.[0]}`;
      (all[what] ?? says(404, 'Unable to find requested URL'))(request, response, body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const slurm = createSlurmRest({
    cluster: 'bed',
    clock: systemClock,
    server: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    token: async () => ({ ok: true, value: { value: SECRET, user: 'vllm' } }),
    timeoutMs: 500,
    ...about,
  });
  closers.push(async () => {
    await slurm.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { slurm, said };
}

const LISTED = { ...(job('26.05.5', 'job-running-2node') as object), name: NAME };
const listing = (jobs: readonly unknown[], more: object = {}) => ({
  jobs,
  last_update: { set: true, infinite: false, number: 1_800_000_000 },
  errors: [],
  warnings: [],
  ...more,
});
const recordedReply = (version: RecordedVersion, name: string): Reply => {
  const { status, text } = answer(version, name);
  return says(status, text);
};
const kindOf = async (
  asked: ReturnType<Slurm['listJobs']> | ReturnType<Slurm['submit']> | ReturnType<Slurm['cancel']>,
) => {
  const result = await asked;
  return result.ok ? 'ok' : result.error.kind;
};

describe('a listing by slurmrestd', () => {
  it('has our jobs and nobody else’s, and says how much was read', async () => {
    const others = [
      { ...LISTED, user_name: 'ann' },
      { ...LISTED, name: 'training' },
      { job_id: 1, name: 'half', user_name: 'ann' },
    ];
    const { slurm } = await facing('26.05.5', { 'GET jobs': says(200, listing([LISTED, ...others])) });
    const listed = await slurm.listJobs();
    assert.ok(listed.ok);
    assert.deepEqual(
      listed.value.jobs.map(({ id, name, user }) => [id, name, user]),
      [['8', NAME, 'vllm']],
    );
    assert.ok((listed.value.bytes ?? 0) > 1000);
  });

  it('asks for what changed, and keeps the last when nothing did', async () => {
    const unchanged = listing([], {
      last_update: { set: true, infinite: false, number: 0 },
      warnings: [{ description: 'No job changes since update_time[1800000000]=…' }],
    });
    const replies = [listing([LISTED]), unchanged, listing([{ ...LISTED, comment: 'new' }])];
    const { slurm, said } = await facing('24.11.5', {
      'GET jobs': (...about) => says(200, replies.shift())(...about),
    });
    const comments = [];
    for (let round = 0; round < 3; round++) {
      const listed = await slurm.listJobs();
      comments.push(listed.ok && listed.value.jobs.map(({ comment }) => comment === 'new'));
    }
    assert.deepEqual(comments, [[false], [false], [true]]);
    const asked = said.map(({ path }) => path.replace(/^.*jobs\//, '')).slice(1);
    assert.deepEqual(asked, ['', '?update_time=1800000000', '?update_time=1800000000']);
  });

  it('keeps nothing for another user, whose token has taken the place of the last', async () => {
    const users = ['vllm', 'vllm', 'ann', 'ann'];
    const unchanged = listing([], { warnings: [{ description: 'No job changes since update_time[1800000000]=…' }] });
    const replies = [listing([LISTED]), unchanged, listing([LISTED])];
    const about = {
      token: async () => ({ ok: true, value: { value: SECRET, user: users.shift() ?? 'ann' } }) as const,
    };
    const { slurm } = await facing('24.11.5', { 'GET jobs': (...call) => says(200, replies.shift())(...call) }, about);
    const seen = [await slurm.listJobs(), await slurm.listJobs(), await slurm.listJobs()];
    assert.deepEqual(
      seen.map((listed) => (listed.ok ? listed.value.jobs.length : listed.error.kind)),
      [1, 'unknown', 0],
    );
  });

  it('is read whole again after a while: a controller whose clock was set back sees no change', async () => {
    const clock = createManualClock(1_800_000_000_000);
    const { slurm, said } = await facing('24.11.5', { 'GET jobs': says(200, listing([LISTED])) }, { clock });
    await slurm.listJobs();
    await clock.advance(121_000);
    await slurm.listJobs();
    assert.deepEqual(said.map(({ path }) => path.replace(/^.*jobs\//, '')).slice(1), ['', '']);
  });

  for (const [what, reply, kind] of [
    [
      'is empty with a warning',
      says(200, listing([], { warnings: [{ description: 'the controller is away' }] })),
      'unknown',
    ],
    [
      'says that nothing changed before it said anything',
      says(200, listing([], { warnings: [{ description: 'No job changes since' }] })),
      'unknown',
    ],
    ['holds an error within a 200', says(200, listing([], { errors: [{ error: 'x', error_number: -1 }] })), 'unknown'],
    ['has no jobs', says(200, { errors: [] }), 'unknown'],
    ['has one of ours that cannot be read', says(200, listing([{ ...LISTED, job_state: ['LEVITATING'] }])), 'unknown'],
    [
      'breaks off',
      (_: unknown, response: ServerResponse) => {
        response.writeHead(200, { 'content-length': 1000 });
        response.write('{"jobs": [');
        setTimeout(() => response.destroy(), 20);
      },
      'unknown',
    ],
    ['never comes', () => undefined, 'unknown'],
    ['stops in the middle', (_: unknown, response: ServerResponse) => void response.write('{"jobs": ['), 'unknown'],
    ['is too long', says(200, ' '.repeat(100_000)), 'unknown'],
    [
      'is a redirect',
      (_: unknown, response: ServerResponse) => {
        response.writeHead(302, { location: 'http://127.0.0.1:1/' });
        response.end();
      },
      'unknown',
    ],
    ['is of a version not served any more', says(404, 'Unable to find requested URL'), 'unreachable'],
  ] as const) {
    it(`that ${what} is ${kind}, never empty`, async () => {
      const { slurm } = await facing('24.11.5', { 'GET jobs': reply as Reply }, { maxOutputBytes: 50_000 });
      assert.equal(await kindOf(slurm.listJobs()), kind);
    });
  }

  it('of an empty queue is empty, although versions from 24.11 on warn of it', async () => {
    const warnings = [{ description: 'Zero jobs to dump', source: '' }];
    const replies = [
      listing([], { warnings }),
      listing([], { warnings, last_update: { set: true, infinite: false, number: 0 } }),
    ];
    const { slurm } = await facing('24.11.5', { 'GET jobs': (...about) => says(200, replies.shift())(...about) });
    const listed = await slurm.listJobs();
    assert.deepEqual(listed.ok && listed.value.jobs, []);
    assert.equal(await kindOf(slurm.listJobs()), 'unknown', 'nobody answered it');
  });

  it('asks for the version again after another slurmrestd has taken its place', async () => {
    const replies = [says(404, 'Unable to find requested URL'), says(200, listing([LISTED]))];
    const { slurm, said } = await facing('24.11.5', { 'GET jobs': (...about) => replies.shift()?.(...about) });
    assert.equal(await kindOf(slurm.listJobs()), 'unreachable');
    assert.equal(await kindOf(slurm.listJobs()), 'ok');
    assert.equal(said.filter(({ path }) => path.includes('openapi')).length, 2);
  });

  it('is told what people should know: a token that ends, a version that cannot warn jobs', async () => {
    const token = { value: SECRET, user: 'vllm', expiresAtMs: Date.now() + 60_000, noticedFromMs: Date.now() - 1 };
    const about = { token: async () => ({ ok: true, value: token }) as const };
    const { slurm } = await facing('22.05.8', { 'GET jobs': says(200, { jobs: [], errors: [] }) }, about);
    const listed = await slurm.listJobs();
    assert.deepEqual(listed.ok && [listed.value.credentialsEndMs, listed.value.notices], [
      token.expiresAtMs,
      { credentialsEndMs: token.expiresAtMs, cannotWarn: true },
    ]);
  });
});

describe('a submission to slurmrestd', () => {
  for (const [version, name, kind] of [
    ['22.05.8', 'submit-err-bad-partition', 'rejected'],
    ['26.05.5', 'submit-err-bad-partition', 'rejected'],
    ['22.05.8', 'err-controller-down-submit', 'unreachable'],
    // A number and an error beside it: the job is there.
    ['22.05.8', 'submit-err-too-many-nodes', 'ok'],
    ['24.11.5', 'submit-err-too-many-nodes', 'rejected'],
    ['26.05.5', 'submit-err-too-many-nodes', 'ok'],
  ] as const) {
    it(`answered as ${version} does with ${name} is ${kind}`, async () => {
      const { slurm } = await facing(version, { 'POST job/submit': recordedReply(version, name) });
      assert.equal(await kindOf(slurm.submit(SUBMISSION)), kind);
    });
  }

  it('of which a part was ignored is cancelled, and refused in words', async () => {
    const { slurm, said } = await facing('24.11.5', {
      'POST job/submit': recordedReply('24.11.5', 'submit-err-unknown-field'),
      'DELETE job': says(200, { status: [], errors: [] }),
    });
    const submitted = await slurm.submit(SUBMISSION);
    assert.ok(!submitted.ok && submitted.error.kind === 'rejected');
    assert.match(submitted.error.message, /ignored a part of the job, which was cancelled: Ignoring unknown field/);
    assert.equal(said.at(-1)?.path, '/slurm/v0.0.42/job/41');
  });

  it('of which a part was ignored and that cannot be cancelled is in doubt', async () => {
    const { slurm } = await facing('24.11.5', {
      'POST job/submit': recordedReply('24.11.5', 'submit-err-unknown-field'),
      'DELETE job': recordedReply('24.11.5', 'err-controller-down-submit'),
    });
    assert.equal(await kindOf(slurm.submit(SUBMISSION)), 'unknown');
  });

  for (const [what, reply] of [
    ['never answered', () => undefined],
    ['cut off', (_: unknown, response: ServerResponse) => response.destroy()],
    [
      'answered by half',
      (_: unknown, response: ServerResponse) => {
        response.writeHead(200, { 'content-length': 500 });
        response.write('{"job_id": 1');
        setTimeout(() => response.destroy(), 20);
      },
    ],
    ['answered without a number', says(200, { errors: [] })],
    ['answered with a bare 502', says(502, 'Bad Gateway')],
  ] as const) {
    it(`that is ${what} may have landed, and is sent once`, async () => {
      const { slurm, said } = await facing('26.05.5', { 'POST job/submit': reply as Reply });
      assert.equal(await kindOf(slurm.submit(SUBMISSION)), 'unknown');
      assert.equal(said.filter(({ method }) => method === 'POST').length, 1);
    });
  }

  it('that could not be begun has not landed', async () => {
    const { slurm } = await facing('26.05.5', {}, { server: { url: 'http://127.0.0.1:1' } });
    assert.equal(await kindOf(slurm.submit(SUBMISSION)), 'unreachable');
    const { slurm: mute } = await facing('26.05.5', { 'GET openapi': () => undefined });
    assert.equal(await kindOf(mute.submit(SUBMISSION)), 'unreachable', 'the version alone was asked for');
  });

  it('is not sent once what had to be known before has taken its time: it would land later than anybody waits', async () => {
    const token = { value: SECRET, user: 'vllm' };
    const late = async () => {
      await delay(600);
      return { ok: true, value: token } as const;
    };
    const { slurm, said } = await facing('26.05.5', {}, { token: late });
    assert.equal(await kindOf(slurm.submit(SUBMISSION)), 'unreachable');
    assert.deepEqual(said, []);
  });

  it('goes under no name that would be part of a path', async () => {
    const { slurm, said } = await facing('26.05.5', {});
    assert.equal(await kindOf(slurm.submit({ ...SUBMISSION, name: 'vllm.a/../b' })), 'rejected');
    assert.deepEqual(said, []);
  });

  it('shows the token to slurmrestd alone', async () => {
    const headers: unknown[] = [];
    const { slurm, said } = await facing('26.05.5', {
      'POST job/submit'(request, response, body) {
        headers.push([request.headers['x-slurm-user-name'], request.headers['x-slurm-user-token']]);
        says(500, { errors: [{ error: 'no', error_number: 2000 }] })(request, response, body);
      },
    });
    const submitted = await slurm.submit(SUBMISSION);
    assert.deepEqual(headers, [['vllm', SECRET]]);
    assert.ok(![JSON.stringify(submitted), JSON.stringify(said)].some((text) => text.includes(SECRET)));
  });
});

describe('slurmrestd asked as several users', () => {
  const OWN = { name: 'vllm', token: SECRET };
  const ALICE = { user: 'alice', token: 'alices.own.token' };
  const alices = { ...LISTED, user_name: 'alice', job_id: 9 };

  /** Whom each call was made as, beside what it was; a token of one with the name of another would be told as both. */
  function listened(replies: Readonly<Record<string, Reply>>) {
    const said: string[] = [];
    const names = new Map([
      [OWN.token, OWN.name],
      [ALICE.token, ALICE.user],
    ]);
    const told: Readonly<Record<string, Reply>> = Object.fromEntries(
      Object.entries(replies).map(([what, reply]) => [
        what,
        (request: IncomingMessage, response: ServerResponse, body: string) => {
          const { 'x-slurm-user-name': name, 'x-slurm-user-token': token } = request.headers;
          said.push(`${what} as ${[...new Set([String(name), names.get(String(token))])].join(' with the token of ')}`);
          reply(request, response, body);
        },
      ]),
    );
    return { said, told };
  }

  it('lists everybody’s jobs of our names, and says as whom that was asked', async () => {
    const stranger = { ...LISTED, user_name: 'mallory', job_id: 10 };
    const others = [alices, stranger, { ...LISTED, name: 'training', user_name: 'alice' }];
    const { told, said } = listened({ 'GET jobs': says(200, listing([LISTED, ...others])) });
    const { slurm } = await facing('26.05.5', told, { severalUsers: true });
    const seen = [await slurm.listJobs(), await slurm.listJobsAs?.(ALICE)];
    assert.deepEqual(
      seen.map((listed) => listed?.ok && [listed.value.user, listed.value.jobs.map(({ id, user }) => `${id} ${user}`)]),
      [
        ['vllm', ['8 vllm', '9 alice', '10 mallory']],
        ['alice', ['8 vllm', '9 alice', '10 mallory']],
      ],
    );
    assert.deepEqual(said, ['GET jobs as vllm', 'GET jobs as alice']);
  });

  it('keeps what it knows of its own listing apart from what another user sees', async () => {
    const { slurm, said } = await facing(
      '24.11.5',
      { 'GET jobs': says(200, listing([LISTED])) },
      { severalUsers: true },
    );
    await slurm.listJobsAs?.(ALICE);
    await slurm.listJobs();
    await slurm.listJobsAs?.(ALICE);
    await slurm.listJobs();
    const asked = said.map(({ path }) => path.replace(/^.*jobs\//, '')).slice(1);
    assert.deepEqual(asked, ['', '', '', '?update_time=1800000000']);
  });

  it('submits as the user who is named, and tells nobody the token', async () => {
    const { told, said } = listened({ 'POST job/submit': says(200, { job_id: 12, errors: [] }) });
    const { slurm, said: bodies } = await facing('26.05.5', told, { severalUsers: true });
    assert.deepEqual(await slurm.submit({ ...SUBMISSION, as: ALICE }), { ok: true, value: '12' });
    assert.deepEqual(await slurm.submit(SUBMISSION), { ok: true, value: '12' });
    assert.deepEqual(said, ['POST job/submit as alice', 'POST job/submit as vllm']);
    assert.ok(!JSON.stringify(bodies).includes(ALICE.token));
  });

  it('says as whom a submission was refused', async () => {
    const { slurm } = await facing('26.05.5', {
      'POST job/submit': recordedReply('26.05.5', 'submit-err-bad-partition'),
    });
    const messages = [await slurm.submit({ ...SUBMISSION, as: ALICE }), await slurm.submit(SUBMISSION)].map(
      (submitted) => (submitted.ok ? '' : submitted.error.message),
    );
    assert.deepEqual([messages[0], messages[1]?.startsWith('as ')], [`as alice: ${messages[1]}`, false]);
  });

  it('cancels as the user who is named; a job is another one if its user is', async () => {
    const submitMs = 1_795_466_343_000;
    const at = { submit_time: { set: true, infinite: false, number: submitMs / 1000 } };
    const { told, said } = listened({
      'GET job': says(200, listing([{ ...alices, ...at }])),
      'DELETE job': recordedReply('24.11.5', 'delete-ok'),
    });
    const { slurm } = await facing('24.11.5', told, { severalUsers: true });
    const ref = { id: '9', name: NAME, submitMs };
    assert.equal(await kindOf(slurm.cancel({ ...ref, user: 'vllm' })), 'ok');
    assert.deepEqual(said.splice(0), ['GET job as vllm']);
    assert.equal(await kindOf(slurm.cancel({ ...ref, user: 'alice', as: ALICE })), 'ok');
    assert.deepEqual(said.splice(0), ['GET job as alice', 'DELETE job as alice']);
    // Where nobody else is known SLURM decides whether the operator's own user may.
    assert.equal(await kindOf(slurm.cancel({ ...ref, user: 'alice' })), 'ok');
    assert.deepEqual(said, ['GET job as vllm', 'DELETE job as vllm']);
  });
});

describe('a cancellation by slurmrestd', () => {
  const submitMs = 1_795_466_343_000;
  const ref = { id: '8', name: NAME, user: 'vllm', submitMs };
  const at = { submit_time: { set: true, infinite: false, number: submitMs / 1000 } };

  for (const [what, reply] of [
    ['of another name', { name: 'vllm.ml.other.r0.a1' }],
    ['of another user', { user_name: 'ann' }],
    ['submitted at another time', { submit_time: { set: true, infinite: false, number: 1 } }],
  ] as const) {
    it(`leaves a job alone that is ${what} by now`, async () => {
      const { slurm, said } = await facing('26.05.5', {
        'GET job': says(200, listing([{ ...LISTED, ...at, ...reply }])),
      });
      assert.equal(await kindOf(slurm.cancel(ref)), 'ok');
      assert.deepEqual(
        said.filter(({ method }) => method === 'DELETE'),
        [],
      );
    });
  }

  for (const [version, name, kind] of [
    ['24.11.5', 'delete-ok', 'ok'],
    ['24.11.5', 'delete-again', 'ok'],
    ['24.11.5', 'delete-unknown', 'ok'],
    ['24.11.5', 'err-controller-down-submit', 'unreachable'],
  ] as const) {
    it(`answered with ${name} is ${kind}`, async () => {
      const { slurm } = await facing(version, {
        'GET job': says(200, listing([{ ...LISTED, ...at }])),
        'DELETE job': recordedReply(version, name),
      });
      assert.equal(await kindOf(slurm.cancel(ref)), kind);
    });
  }

  it('of a job that is not there is no error', async () => {
    const { slurm } = await facing('22.05.8', { 'GET job': recordedReply('22.05.8', 'job-unknown') });
    assert.equal(await kindOf(slurm.cancel(ref)), 'ok');
  });
});

it('an inventory tells what of each node jobs hold, and what slurmrestd is', async () => {
  for (const version of ['22.05.8', '24.11.5', '26.05.5'] as const) {
    const { nodes: recordedNodes, ...rest } = JSON.parse(recorded(version, 'rest/nodes.json'));
    const [first, second, third, fourth] = recordedNodes;
    const nodes = [
      first,
      { ...second, gres: 'gpu:4', gres_used: 'gpu:(null):3(IDX:0-1,3)' },
      { ...third, gres: null, gres_used: null, state: ['IDLE', 'FAIL'] },
      { ...fourth, state: ['IDLE', 'DRAIN', 'INVALID_REG'] },
    ];
    const { slurm } = await facing(version, { 'GET nodes': says(200, { ...rest, nodes }) });
    assert.deepEqual(await slurm.inventory(), {
      ok: true,
      value: {
        version,
        nodes: [
          { name: 'node001', address: '10.77.0.11', state: 'idle', gpus: [{ type: 'h100', total: 4, used: 0 }] },
          { name: 'node002', address: '10.77.0.12', state: 'idle', gpus: [{ type: '', total: 4, used: 3 }] },
          { name: 'node003', address: '10.77.0.13', state: 'fail', gpus: [] },
          { name: 'node004', address: '10.77.0.14', state: 'inval', gpus: [{ type: 'h100', total: 4, used: 0 }] },
        ],
      },
    });
  }
});

it('nodes are told in sinfo’s words', async () => {
  for (const version of ['22.05.8', '24.11.5', '26.05.5'] as const) {
    const { slurm } = await facing(version, { 'GET nodes': says(200, recorded(version, 'rest/nodes.json')) });
    const nodes = await slurm.nodes();
    assert.ok(nodes.ok);
    assert.deepEqual(nodes.value[0], { name: 'node001', address: '10.77.0.11', state: 'idle' });
  }
});
