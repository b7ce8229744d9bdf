import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { z } from 'zod';
import { codeOf } from './files.ts';

/** A process that holds a lock, told apart from any other that gets its number later. */
export const Holder = z.object({
  host: z.string(),
  pid: z.int().positive(),
  /** Where the pid has a meaning: boot and pid namespace. Containers may share a host name. */
  place: z.string(),
  /** When it started, in the kernel's ticks; '' where the system does not tell. */
  started: z.string(),
  token: z.string().min(1),
});
export type Holder = z.infer<typeof Holder>;

export async function thisProcess(token: string): Promise<Holder> {
  return { host: hostname(), pid: process.pid, place: await place(), started: await startOf(process.pid), token };
}

/** `undefined`: not to be told from here. */
export async function isAlive(holder: Holder): Promise<boolean | undefined> {
  if (holder.place !== (await place())) return undefined;
  if (!exists(holder.pid)) return false;
  const started = await startOf(holder.pid);
  return started === '' || holder.started === '' || started === holder.started;
}

async function place(): Promise<string> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  const processes = await readlink('/proc/self/ns/pid').catch(() => '');
  return `${hostname()} ${boot.trim()} ${processes}`.trim();
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM'; // somebody else's, but there
  }
}

/** Source: proc_pid_stat(5), field 22, counted behind the command, which may hold blanks and brackets. */
async function startOf(pid: number): Promise<string> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
