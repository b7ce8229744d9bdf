import { spawn } from 'node:child_process';
import type { Host, NodeBed } from '../node-bed/bed.ts';
import { until } from '../operator/until.ts';

/** A small program of ours that runs on a host of the bed until it is told to end. */
export type Background = { readonly said: () => string; end(): Promise<void> };

/** @param file absolute; it says `listening` when it is ready */
export async function runInBackground(
  bed: NodeBed,
  host: Host,
  file: string,
  ...args: readonly (string | number)[]
): Promise<Background> {
  const [program, ...argv] = bed.command(host, 'other', process.execPath, file, ...args.map(String));
  const child = spawn(program, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (piece) => {
    said += piece;
  });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  await until(`${file} on ${host}`, () => said.includes('listening') || undefined, 30_000);
  return {
    said: () => said,
    async end() {
      await bed.signal(host, 'KILL', ` ${file} ${args.join(' ')}`);
      await ended;
    },
  };
}
