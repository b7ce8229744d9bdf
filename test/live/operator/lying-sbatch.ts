import { mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Bed } from '../slurm-bed/bed.ts';

/**
 * An `sbatch` between the operator and the real one, which is `$REAL/sbatch`. `first` succeeds the first time it is
 * called, `timed_out` says what sbatch says when the controller took the request and was not heard again.
 */
const LIES = {
  'its reply is lost': '"$REAL/sbatch" "$@" >/dev/null; timed_out',
  'it is killed before it replies': '"$REAL/sbatch" "$@" >/dev/null; kill -KILL $$',
  'it never reached the controller': 'if first; then timed_out; fi; exec "$REAL/sbatch" "$@"',
  'it arrives late':
    'if first; then cat >"$0.script"; (sleep 6; exec setsid "$REAL/sbatch" "$@" <"$0.script") >/dev/null 2>&1 & timed_out; fi; exec "$REAL/sbatch" "$@"',
  'it arrives twice':
    'if first; then cat >"$0.script"; "$REAL/sbatch" "$@" <"$0.script" >/dev/null; exec "$REAL/sbatch" "$@" <"$0.script"; fi; exec "$REAL/sbatch" "$@"',
  'the controller stands still':
    'if first; then kill -STOP "$CONTROLLER"; (sleep 8; kill -CONT "$CONTROLLER") >/dev/null 2>&1 & fi; exec "$REAL/sbatch" "$@"',
  // SLURM saves its jobs at most once in five seconds: after one that made it save, the next one is not saved at once.
  'the controller crashes before it has saved the job':
    'if first; then "$REAL/sbatch" --hold --job-name=saved --output=/dev/null --wrap=: >/dev/null; sleep 1; "$REAL/sbatch" "$@" >"$0.id"; kill -KILL "$CONTROLLER"; rm -f "$CONTROLLER_PID"; cat "$0.id"; exit; fi; exec "$REAL/sbatch" "$@"',
} as const;

export type Lie = keyof typeof LIES;

/** @returns a directory for `cluster.binDirectory`; what `sbatch` leaves there begins with its name */
export async function lyingSbatch(bed: Bed, lie: Lie): Promise<string> {
  const directory = await mkdtemp(join(bed.directory, 'bin-'));
  const real = dirname(await bed.run('sh', '-c', 'command -v sbatch'));
  const text = `#!/bin/sh
REAL=${real}
CONTROLLER_PID='${bed.directory}/pids/slurmctld'
CONTROLLER=$(cat "$CONTROLLER_PID")
first() { mkdir "$0.called" 2>/dev/null; }
timed_out() {
  echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2
  exit 1
}
${LIES[lie]}
`;
  await writeFile(join(directory, 'sbatch'), text, { mode: 0o755 });
  for (const program of ['squeue', 'scancel', 'scontrol', 'sinfo', 'sacct']) {
    await symlink(join(real, program), join(directory, program));
  }
  return directory;
}
