/**
 * Slurm's `code:signal`. A job killed for its memory may have `0:125`, which is no signal of the system but Slurm's own.
 * Source: scontrol(1) ExitCode, sacct(1) ExitCode.
 */
export function exitStatus(text: string): { readonly exitCode: number; readonly signal: number } {
  const [, code, signal] = /^(\d+):(\d+)$/.exec(text) ?? [];
  return { exitCode: Number(code ?? 0), signal: Number(signal ?? 0) };
}
