import { readdirSync, readFileSync } from 'node:fs';

/** A process and no other: its number may be given again, the tick of its start since boot is not. */
export type ProcessId = { readonly pid: number; readonly startTicks: number };

export function isAlive(id: ProcessId): boolean {
  const now = readStat(id.pid);
  return now !== undefined && now.startTicks === id.startTicks && now.state !== 'Z';
}

/** @returns clock ticks since boot; undefined when there is no such process */
export function startTicks(pid: number): number | undefined {
  return readStat(pid)?.startTicks;
}

/** @returns whether the signal was sent to that very process */
export function signalProcess(id: ProcessId, signal: NodeJS.Signals): boolean {
  return isAlive(id) && send(id.pid, signal);
}

/**
 * Kills every process that carries this variable, `NAME=value`, in its environment.
 * @returns how many there were
 */
export function killCarriers(token: string): number {
  const pids = readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && readProc(pid, 'environ')?.split('\0').includes(token));
  return pids.filter((pid) => send(pid, 'SIGKILL')).length;
}

/** Source: proc(5) `/proc/PID/stat`; the command may hold blanks and brackets, the fields after its last one not. */
function readStat(pid: number): { readonly state: string; readonly startTicks: number } | undefined {
  const stat = readProc(pid, 'stat');
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? 'Z', startTicks: Number(fields[19]) };
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return undefined;
  }
}

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
