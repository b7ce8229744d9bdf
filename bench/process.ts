import { readFile } from 'node:fs/promises';

export type ProcessUse = {
  /** Resident, MiB. */
  readonly memory: number;
  /** The most it ever was, MiB. */
  readonly peakMemory: number;
  /** Of all its threads since it began, seconds. */
  readonly cpu: number;
  /** Of children that have ended, and theirs, seconds. */
  readonly childrenCpu: number;
};

/** Linux's USER_HZ, the same on every architecture Node.js runs on. */
const TICKS_A_SECOND = 100;

/** Source: proc_pid_stat(5), fields 14 to 17; proc_pid_status(5). */
export async function readProcess(pid: number): Promise<ProcessUse> {
  const [stat, status] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8'),
    readFile(`/proc/${pid}/status`, 'utf8'),
  ]);
  // The second field, the program's name in brackets, may hold blanks; the third follows the last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const seconds = (field: number): number => Number(fields[field - 3]) / TICKS_A_SECOND;
  const mebibytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return {
    memory: mebibytes('VmRSS'),
    peakMemory: mebibytes('VmHWM'),
    cpu: seconds(14) + seconds(15),
    childrenCpu: seconds(16) + seconds(17),
  };
}
