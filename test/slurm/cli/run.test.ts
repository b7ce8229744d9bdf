import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { systemClock } from '../../../src/clock.ts';
import { createRunner, type RunnerOptions } from '../../../src/slurm/cli/run.ts';
import { createManualClock } from '../../gen/manual-clock.ts';
import { eventually, type Programs, standInPrograms } from './programs.ts';

async function bench(t: TestContext, options: Partial<RunnerOptions> = {}) {
  const programs = await standInPrograms(t);
  const runner = createRunner({
    clock: systemClock,
    commandPrefix: [],
    binDirectory: `${programs.directory}/bin`,
    timeoutMs: 60_000,
    maxOutputBytes: 1_000_000,
    environment: { PATH: process.env.PATH },
    ...options,
  });
  t.after(() => runner.close());
  return { programs, runner };
}

/** The processes a stand-in has written down, once there are so many. */
async function noted(programs: Programs, count: number): Promise<readonly number[]> {
  return eventually(async () => {
    const pids = (await programs.read('pids')).split('\n').filter(Boolean).map(Number);
    return pids.length === count ? pids : undefined;
  });
}

/** A zombie has ended: its parent's laziness is not ours. */
async function ended(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return true;
  }
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return / Z /.test(status);
}

test('a run gives exit code and both streams as they were', async (t) => {
  const { programs, runner } = await bench(t);
  await programs.write('squeue', 'printf "a\\nb\\n\\n"; printf "oh: é\\n" >&2; exit 3');
  assert.deepEqual(await runner.run({ program: 'squeue', args: [] }), {
    program: 'squeue',
    end: { how: 'exited', code: 3 },
    stdout: 'a\nb\n\n',
    stderr: 'oh: é\n',
  });
});

test('a program sees its arguments unread by any shell, the stdin given, / and nothing else of ours', async (t) => {
  const environment = {
    PATH: process.env.PATH,
    HOME: '/home/op',
    SLURM_CONF: '/etc/slurm.conf',
    SBATCH_PARTITION: 'gpu',
    SQUEUE_PARTITION: 'gpu',
    SLURM_CLUSTERS: 'other',
    SLURM_JOB_ID: '7',
    HF_TOKEN: 'secret',
  };
  const { programs, runner } = await bench(t, { environment });
  await programs.write('squeue', 'printf "<%s>" "$@" "$PWD"; cat; env | grep -vE "^(_|PWD|SHLVL|OLDPWD)=" | sort');
  const ran = await runner.run({
    program: 'squeue',
    args: ['--format=@x@%A=%T', '--name=a,b'],
    stdin: '$(id)\n',
    environment: { TZ: 'UTC' },
  });
  assert.deepEqual(ran.stdout.split('\n'), [
    '<--format=@x@%A=%T><--name=a,b></>$(id)',
    'HOME=/home/op',
    `PATH=${process.env.PATH}`,
    'SLURM_CONF=/etc/slurm.conf',
    'TZ=UTC',
    '',
  ]);
});

test('behind a prefix whose shell reads the words again, the program sees the same', async (t) => {
  const { programs, runner } = await bench(t);
  // Like ssh: joins what it is given with blanks and has a shell read it.
  const ssh = await programs.write('ssh', 'shift; export SQUEUE_PARTITION=gpu; exec sh -c "$*"');
  await programs.write('squeue', 'printf "<%s>" "$@" "$TZ" "$SQUEUE_PARTITION"; cat');
  const prefixed = createRunner({
    clock: systemClock,
    commandPrefix: [ssh, 'login1'],
    binDirectory: `${programs.directory}/bin`,
    timeoutMs: 60_000,
    maxOutputBytes: 1_000_000,
    environment: { PATH: process.env.PATH },
  });
  t.after(() => prefixed.close());
  const command = {
    program: 'squeue',
    args: ['--format=@x@%A=%T@y@', '--name=a,b'],
    stdin: 'text',
    environment: { TZ: 'UTC' },
  };
  const [direct, behind] = [await runner.run(command), await prefixed.run(command)];
  assert.equal(direct.stdout, '<--format=@x@%A=%T@y@><--name=a,b><UTC><>text');
  assert.deepEqual(behind, direct);
});

test('a word a shell could read is never run', async (t) => {
  const { programs, runner } = await bench(t);
  await programs.write('scancel', 'touch $HERE/ran');
  for (const word of ['a b', '$(id)', 'a;b', "a'b", 'a|b', '', 'a\nb', 'a*']) {
    await assert.rejects(runner.run({ program: 'scancel', args: [word] }), /not a plain word/);
  }
  assert.equal(await programs.read('ran'), '');
});

test('past its deadline a program ends with everything it started', async (t) => {
  const clock = createManualClock();
  const { programs, runner } = await bench(t, { clock, timeoutMs: 30_000 });
  await programs.write('squeue', 'sleep 600 & echo $! >> $HERE/pids; echo $$ >> $HERE/pids; echo half; wait');
  const running = runner.run({ program: 'squeue', args: [] });
  const pids = await noted(programs, 2);
  await clock.advance(30_000);
  const { end } = await running;
  assert.deepEqual(end, { how: 'timed out', afterMs: 30_000 });
  for (const pid of pids) await eventually(async () => (await ended(pid)) || undefined);
});

test('a program that cannot be killed with its pipes open is not waited for', async (t) => {
  const clock = createManualClock();
  const { programs, runner } = await bench(t, { clock, timeoutMs: 30_000 });
  // Out of the process group, as what hangs in the kernel is out of reach.
  await programs.write('squeue', 'setsid sleep 600 & echo $! >> $HERE/pids; echo $$ >> $HERE/pids; wait');
  const running = runner.run({ program: 'squeue', args: [] });
  const [escaped = 0] = await noted(programs, 2);
  t.after(() => process.kill(escaped, 'SIGKILL'));
  await clock.advance(30_000);
  await clock.advance(2_000);
  assert.deepEqual((await running).end, { how: 'timed out', afterMs: 30_000 });
});

test('a program that prints without end is cut off at the cap', async (t) => {
  const { programs, runner } = await bench(t, { maxOutputBytes: 10_000 });
  await programs.write('squeue', 'exec yes');
  const ran = await runner.run({ program: 'squeue', args: [] });
  assert.deepEqual([ran.end, ran.stdout.length], [{ how: 'said too much', bytes: 10_000 }, 10_000]);
});

test('a program that reads none of its stdin is heard all the same', async (t) => {
  const { programs, runner } = await bench(t);
  await programs.write('sbatch', 'exec <&-; echo "sbatch: error: no" >&2; exit 1');
  const ran = await runner.run({ program: 'sbatch', args: [], stdin: '#'.repeat(1_000_000) });
  assert.deepEqual([ran.end, ran.stderr], [{ how: 'exited', code: 1 }, 'sbatch: error: no\n']);
});

test('a program that is not there is not started, and one that is killed says by what', async (t) => {
  const { programs, runner } = await bench(t);
  await programs.write('sinfo', 'kill -SEGV $$');
  const [absent, killed] = [
    await runner.run({ program: 'sacct', args: [] }),
    await runner.run({ program: 'sinfo', args: [] }),
  ];
  assert.deepEqual(
    [absent.end, killed.end],
    [
      { how: 'not started', why: `${programs.directory}/bin/sacct is not there, or may not be run` },
      { how: 'killed', signal: 'SIGSEGV' },
    ],
  );
});

test('closing ends what runs and starts nothing more', async (t) => {
  const { programs, runner } = await bench(t);
  await programs.write('squeue', 'echo $$ >> $HERE/pids; exec sleep 600');
  const running = runner.run({ program: 'squeue', args: [] });
  await noted(programs, 1);
  await runner.close();
  assert.deepEqual(
    [(await running).end, (await runner.run({ program: 'squeue', args: [] })).end],
    [
      { how: 'killed', signal: 'SIGKILL' },
      { how: 'not started', why: 'closed' },
    ],
  );
});

test('programs are started by one small shell, that of a failed submission aside', async (t) => {
  const { programs, runner } = await bench(t);
  for (const program of ['squeue', 'sbatch']) await programs.write(program, 'echo $PPID; exit $1');
  const shells: string[] = [];
  const run = async (program: string, code: string, stdin?: string): Promise<void> => {
    const ran = await runner.run({ program, args: [code], ...(stdin !== undefined && { stdin }) });
    shells.push(ran.stdout);
  };
  await run('squeue', '0');
  await run('squeue', '1');
  await run('sbatch', '0', '');
  await run('sbatch', '1', '');
  await run('squeue', '0');
  assert.deepEqual(
    shells.map((shell) => shells.indexOf(shell)),
    [0, 0, 0, 0, 4],
  );
});

test('of stdin that a program left unread nothing is run', async (t) => {
  const { programs, runner } = await bench(t);
  await programs.write('sbatch', 'exec <&-; echo 7');
  await programs.write('scancel', 'touch $HERE/ran');
  const line = `key tag 1 -\n${programs.directory}/bin/scancel\n${programs.directory}/bin/scancel\n`;
  const left = await runner.run({ program: 'sbatch', args: [], stdin: line.repeat(2000) });
  const next = await runner.run({ program: 'sbatch', args: [], stdin: '' });
  assert.deepEqual([left.stdout, next.stdout, await programs.read('ran')], ['7\n', '7\n', '']);
});

test('what runs on behind a program that has ended is not waited for, and hides nothing of the next', async (t) => {
  const { programs, runner } = await bench(t);
  await programs.write('ssh', 'sh -c "echo \\$\\$ >> $HERE/pids; while sleep 0.01; do echo debug; done" & echo here');
  await programs.write('squeue', 'sleep 0.05; echo there >&2');
  const first = await runner.run({ program: 'ssh', args: [] });
  const [background = 0] = await noted(programs, 1);
  t.after(() => process.kill(background, 'SIGKILL'));
  const second = await runner.run({ program: 'squeue', args: [] });
  assert.deepEqual([first.end, second.end, second.stderr], [{ how: 'exited', code: 0 }, first.end, 'there\n']);
});

test('what a program leaves running behind its end runs on, also when that program failed', async (t) => {
  const { programs, runner } = await bench(t);
  await programs.write('sbatch', '(sleep 0.2; touch $HERE/later) >/dev/null 2>&1 & exit 1');
  await runner.run({ program: 'sbatch', args: [], stdin: '' });
  await runner.close();
  await eventually(() => stat(`${programs.directory}/later`).catch(() => undefined));
});

test('a shell that is let go of ends by itself', async (t) => {
  const { programs, runner } = await bench(t);
  await programs.write('sbatch', 'echo $PPID >> $HERE/pids; exit 1');
  await programs.write('squeue', 'echo $PPID >> $HERE/pids');
  await runner.run({ program: 'sbatch', args: [], stdin: '#'.repeat(10_000) });
  await runner.run({ program: 'squeue', args: [] });
  await runner.close();
  for (const shell of await noted(programs, 2)) await eventually(async () => (await ended(shell)) || undefined);
});

test('a shell that is killed takes its program along, and the next gets another', async (t) => {
  const { programs, runner } = await bench(t);
  await programs.write('squeue', 'echo $PPID >> $HERE/pids; exec sleep 600');
  await programs.write('sinfo', 'echo idle');
  const running = runner.run({ program: 'squeue', args: [] });
  const [shell = 0] = await noted(programs, 1);
  process.kill(-shell, 'SIGKILL');
  assert.deepEqual((await running).end, { how: 'killed', signal: 'SIGKILL' });
  assert.equal((await runner.run({ program: 'sinfo', args: [] })).stdout, 'idle\n');
});

test('a shell that was killed while it had nothing to do is not used again', async (t) => {
  const { programs, runner } = await bench(t);
  await programs.write('sbatch', 'echo $PPID >> $HERE/pids; echo 7');
  const submit = () => runner.run({ program: 'sbatch', args: [], stdin: '' });
  await submit();
  const [shell = 0] = await noted(programs, 1);
  process.kill(-shell, 'SIGKILL');
  await eventually(async () => (await ended(shell)) || undefined);
  await setImmediate(); // it is told to us, too
  assert.deepEqual((await submit()).stdout, '7\n');
});
