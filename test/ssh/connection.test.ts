import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { eventually } from '../slurm/cli/programs.ts';
import { SSH, standInSsh } from './stand-in-ssh.ts';

const SUBMISSION = { name: 'vllm.default.a.r0.a1', script: '#!/bin/sh\nexit 0\n' };

test('a connection is asked for once, in batch mode and with its host key checked, whatever the options say', async (t) => {
  const { programs, slurm, lines } = await standInSsh(t, `${SSH}\nexec sh -c "$last"`);
  await programs.write('sbatch', 'cat >$HERE/script; echo 17');
  assert.deepEqual(await slurm.submit(SUBMISSION), { ok: true, value: '17' });
  assert.deepEqual(await slurm.submit(SUBMISSION), { ok: true, value: '17' });
  assert.equal(await programs.read('script'), SUBMISSION.script);
  const calls = await lines('calls');
  // Is one open, one of its own, a session in it.
  assert.equal(calls.length, 3);
  for (const call of calls)
    assert.match(
      call,
      /-o BatchMode=yes -o StrictHostKeyChecking=yes .*ServerAliveInterval=5 .* -o Port=2222 .*-- login1/,
    );
  assert.deepEqual(
    calls.map((call) => [/ -O check /.test(call), /^-M -S /.test(call), /ProxyCommand=false/.test(call)]),
    [
      [true, false, false],
      [false, true, false],
      [false, false, true],
    ],
  );
});

test('what a login prints, to stdout and to stderr, is no part of an answer', async (t) => {
  const { programs, runner } = await standInSsh(
    t,
    `${SSH}\necho Welcome to 1234567890; echo MOTD >&2\nexec sh -c "$last"`,
  );
  await programs.write('squeue', 'echo listed; echo said >&2; exit 3');
  assert.deepEqual(await runner.run({ program: 'squeue', args: [] }), {
    program: 'squeue',
    end: { how: 'exited', code: 3 },
    stdout: 'listed\n',
    stderr: 'said\n',
  });
});

test('a program sees what it is given, in /, without what would narrow a listing over there', async (t) => {
  const { programs, runner } = await standInSsh(
    t,
    `${SSH}\nexport SQUEUE_PARTITION=gpu SLURM_CLUSTERS=x SBATCH_ACCOUNT=y SLURM_CONF=/z\nexec sh -c "$last"`,
  );
  await programs.write('squeue', 'printf "<%s>" "$@" "$PWD"; env | grep -E "^(SLURM|SQUEUE|SBATCH|TZ)" | sort; cat');
  const { stdout } = await runner.run({
    program: 'squeue',
    args: ['--format=@x@%A=%T'],
    environment: { TZ: 'UTC' },
    stdin: '$(id)\n',
  });
  assert.equal(stdout, '<--format=@x@%A=%T></>SLURM_CONF=/z\nTZ=UTC\n$(id)\n');
});

test('when it is lost while sbatch runs, the submission may have arrived; the next one has a new connection', async (t) => {
  const { programs, slurm, lines } = await standInSsh(t, `${SSH}\nexec sh -c "$last"`);
  await programs.write('sbatch', 'echo $$ >$HERE/began; exec sleep 60');
  const submitted = slurm.submit(SUBMISSION);
  await eventually(async () =>
    (await lines('sessions')).length === 2 && (await programs.read('began')) !== '' ? true : undefined,
  );
  for (const pid of await lines('sessions')) process.kill(-Number(pid), 'SIGKILL');
  // Here, unlike over there, it holds the streams of the stand-in.
  process.kill(Number(await programs.read('began')), 'SIGKILL');
  const answer = await submitted;
  assert.deepEqual([answer.ok, !answer.ok && answer.error.kind], [false, 'unknown']);
  await programs.write('sbatch', 'cat >/dev/null; echo 18');
  assert.deepEqual(await slurm.submit(SUBMISSION), { ok: true, value: '18' });
});

test('a connection that is refused is not asked for again at once, and nothing was sent', async (t) => {
  const { slurm, lines } = await standInSsh(
    t,
    `${SSH}\necho "ssh: connect to host login1 port 22: Connection refused" >&2; exit 255`,
  );
  const answers = [await slurm.submit(SUBMISSION), await slurm.submit(SUBMISSION), await slurm.listJobs()];
  assert.deepEqual(
    answers.map((answer) => !answer.ok && answer.error.kind),
    ['unreachable', 'unreachable', 'unreachable'],
  );
  assert.equal((await lines('sessions')).length, 1);
});

test('one that is made and never answers is given up in time, as unreachable', async (t) => {
  const { slurm } = await standInSsh(t, `${SSH}\nexec sleep 60`, 3_000);
  const answer = await slurm.submit(SUBMISSION);
  assert.ok(!answer.ok);
  assert.deepEqual([answer.error.kind, /it does not answer/.test(answer.error.message)], ['unreachable', true]);
});

test('what waited for others until it would land later than anybody waits for it is not begun', async (t) => {
  const { programs, runner, lines } = await standInSsh(t, `${SSH}\nexec sh -c "$last"`, 3_000);
  await programs.write('sbatch', 'echo $$ >>$HERE/began; exec sleep 2');
  const abreast = Array.from({ length: 7 }, () => runner.run({ program: 'sbatch', args: [] }));
  const late = runner.run({ program: 'sbatch', args: [] });
  const { end } = await late;
  assert.equal(end.how, 'not started');
  await Promise.all(abreast);
  assert.equal((await lines('began')).length, 7);
});

test('without ssh on this machine that is what is told', async (t) => {
  const { programs, slurm } = await standInSsh(t, 'exit 1');
  await rm(`${programs.directory}/bin/ssh`);
  const answer = await slurm.submit(SUBMISSION);
  assert.match(answer.ok ? '' : answer.error.message, /there is no ssh here/);
});
