import { readFile } from 'node:fs/promises';

export type ProcessUse = {
  /** Resident, MiB. */
  readonly memory: number;
  /** The most it ever was, MiB. */
  readonly peakMemory: number;
  /** Of all its threads since it began, seconds. */
  readonly cpu: number;
  /** Of its children, and of those of theirs that have ended, seconds. */
  readonly childrenCpu: number;
};

/** Linux's USER_HZ, the same on every architecture Node.js runs on. */
const TICKS_A_SECOND = 100;

/** Source: proc_pid_stat(5), fields 14 to 17; proc_pid_status(5); proc_tid_children(5). */
export async function readProcess(pid: number): Promise<ProcessUse> {
  const [own, status, children] = await Promise.all([
    cpuOf(pid),
    readFile(`/proc/${pid}/status`, 'utf8'),
    readFile(`/proc/${pid}/task/${pid}/children`, 'utf8'),
  ]);
  const living = await Promise.all(children.split(' ').filter(Boolean).map(Number).map(cpuOf));
  const mebibytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return {
    memory: mebibytes('VmRSS'),
    peakMemory: mebibytes('VmHWM'),
    cpu: own.self,
    childrenCpu: living.reduce((sum, { self, ended }) => sum + self + ended, own.ended),
  };
}

/** Seconds, of a process and of its children that have ended; none of one that is gone meanwhile. */
async function cpuOf(pid: number): Promise<{ readonly self: number; readonly ended: number }> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The second field, the program's name in brackets, may hold blanks; the third follows the last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const seconds = (field: number): number => Number(fields[field - 3] ?? 0) / TICKS_A_SECOND;
  return { self: seconds(14) + seconds(15), ended: seconds(16) + seconds(17) };
}
