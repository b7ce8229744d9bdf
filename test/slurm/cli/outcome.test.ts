import assert from 'node:assert/strict';
import { test } from 'node:test';
import { err, ok } from '../../../src/result.ts';
import { failureOf } from '../../../src/slurm/cli/outcome.ts';
import type { Ran } from '../../../src/slurm/cli/run.ts';
import { readSubmission, sbatchCommand } from '../../../src/slurm/cli/sbatch.ts';
import { readCancellation, scancelCommand } from '../../../src/slurm/cli/scancel.ts';
import { ran, recordedRuns, VERSIONS } from './recorded.ts';

for (const version of VERSIONS) {
  test(`${version} without its controller is unreachable, whoever asks`, () => {
    const runs = recordedRuns(version, 'controller-down.txt');
    assert.deepEqual(
      runs.map((run) => [run.program, failureOf(run)?.kind]),
      ['squeue', 'sbatch', 'scancel', 'scontrol', 'sinfo'].map((program) => [program, 'unreachable']),
    );
    const submissions = runs.filter(({ program }) => program === 'sbatch').map(readSubmission);
    const message = 'Batch job submission failed: Unable to contact slurm controller (connect failure)';
    assert.deepEqual(submissions, [err({ kind: 'unreachable', message })]);
  });

  test(`${version} without its database is unreachable to accounting`, () => {
    assert.deepEqual(
      recordedRuns(version, 'slurmdbd-down.txt').map((run) => failureOf(run)?.kind),
      ['unreachable'],
    );
  });

  test(`${version} refuses in words that reach the user unchanged`, () => {
    const verdicts = recordedRuns(version, 'sbatch-refusals.txt').map(readSubmission);
    const refused = (message: string) => err({ kind: 'rejected', message });
    assert.deepEqual(verdicts, [
      refused('Batch job submission failed: Invalid account or account/partition combination specified'),
      refused('Invalid generic resource (gres) specification'),
      refused('Batch job submission failed: Invalid node name specified'),
      refused('invalid partition specified: nope\nBatch job submission failed: Invalid partition name specified'),
      refused('Batch job submission failed: Invalid qos specification'),
      refused('Invalid --time specification'),
      refused(
        'This does not look like a batch script.  The first\nline must start with #! followed by the path to an interpreter.\nFor instance: #!/bin/sh',
      ),
      refused(
        "QOSMaxSubmitJobPerUserLimit\nBatch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
      ),
      refused('Batch job submission failed: Requested node configuration is not available'),
      refused(
        'Memory specification can not be satisfied\nBatch job submission failed: Requested node configuration is not available',
      ),
      refused('unrecognized option \'--frobnicate\'\nTry "sbatch --help" for more information'),
    ]);
  });
}

test('a submission is known by its id alone, with the cluster, or behind a greeting', () => {
  const outputs = ['61\n', '61;lab\n', 'Welcome to login1\n61\n'];
  assert.deepEqual(
    outputs.map((stdout) => readSubmission(ran('sbatch', 0, 'sbatch: lua: hello\n', stdout))),
    [ok('61'), ok('61'), ok('61')],
  );
});

test('whatever leaves it open whether a submission arrived is unknown, never a refusal', () => {
  const failed = (words: string): Ran => ran('sbatch', 1, `sbatch: error: Batch job submission failed: ${words}\n`);
  const cut = (end: Ran['end']): Ran => ({ ...failed('Invalid account'), end });
  const open: readonly Ran[] = [
    failed('Socket timed out on send/recv operation'),
    failed('Zero Bytes were transmitted or received'),
    failed('Unable to contact slurm controller (receive failure)'),
    failed('Unspecified error'),
    failed('Slurm temporarily unable to accept job, sleeping and retrying'),
    ran('sbatch', 0),
    ran('sbatch', 0, '', 'Submitted batch job\n'),
    ran('sbatch', 1),
    ran('sbatch', 255, 'client_loop: send disconnect: Broken pipe\n'),
    ran('sbatch', 127, 'sh: 1: sbatch: not found\n'),
    cut({ how: 'timed out', afterMs: 30_000 }),
    cut({ how: 'killed', signal: 'SIGKILL' }),
    cut({ how: 'said too much', bytes: 100 }),
  ];
  assert.deepEqual(
    open.map((run) => {
      const read = readSubmission(run);
      return read.ok || read.error.kind;
    }),
    open.map(() => 'unknown'),
  );
});

test('what never left this machine or reached the login node is unreachable', () => {
  const runs: readonly Ran[] = [
    { ...ran('sbatch', 0), end: { how: 'not started', why: 'spawn sbatch ENOENT' } },
    ran('sbatch', 1, 'sbatch: error: Munge encode failed: Failed to access "/run/munge.socket.2": No such file\n'),
    ran('sbatch', 255, 'ssh: connect to host login1 port 22: Connection timed out\n'),
    ran('sbatch', 255, 'op@login1: Permission denied (publickey,password).\n'),
  ];
  assert.deepEqual(
    runs.map((run) => {
      const read = readSubmission(run);
      return read.ok || read.error.kind;
    }),
    runs.map(() => 'unreachable'),
  );
});

test('a good exit code does not outweigh words of failure, and a warning is no failure', () => {
  const away = ran('squeue', 0, 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n', '');
  const warned = ran('squeue', 0, 'squeue: error: Ignoring obsolete FastSchedule=1 option\n', '');
  assert.deepEqual([failureOf(away)?.kind, failureOf(warned)], ['unreachable', undefined]);
});

test('what a restricted key does not allow is refused, for good', () => {
  const denied = ran('sbatch', 77, 'vllm-slurm: this key does not allow the command\n');
  const message = 'vllm-slurm: this key does not allow the command';
  assert.deepEqual(readSubmission(denied), { ok: false, error: { kind: 'rejected', message } });
});

test('a cluster without accounting refuses, so that nobody waits for it', () => {
  const message = 'Slurm accounting storage is disabled';
  assert.deepEqual(failureOf(ran('sacct', 1, `${message}\n`)), { kind: 'rejected', message });
});

test('cancelling names user and name besides the id', () => {
  assert.deepEqual(scancelCommand({ id: '61', name: 'vllm.a.b.r0.a1' }).args, ['--me', '--name=vllm.a.b.r0.a1', '61']);
});

test('a job with nothing left to cancel is cancelled; silence is not', () => {
  const lost = ran('scancel', 1, 'scancel: error: Kill job error on job id 61: Invalid job id specified\n');
  const ended = ran(
    'scancel',
    1,
    'scancel: error: Kill job error on job id 61: Job/step already completing or completed\n',
  );
  const silent = ran(
    'scancel',
    1,
    'scancel: error: Kill job error on job id 61: Socket timed out on send/recv operation\n',
  );
  assert.deepEqual([ran('scancel', 0), lost, ended, silent].map(readCancellation), [
    ok(undefined),
    ok(undefined),
    ok(undefined),
    err({ kind: 'unknown', message: 'Kill job error on job id 61: Socket timed out on send/recv operation' }),
  ]);
});

test('a script goes in whole, through stdin', () => {
  assert.deepEqual(sbatchCommand({ name: 'vllm.a.b.r0.a1', script: '#!/bin/sh\n' }), {
    program: 'sbatch',
    args: ['--parsable', '--job-name=vllm.a.b.r0.a1'],
    stdin: '#!/bin/sh\n',
  });
});
