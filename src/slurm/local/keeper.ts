import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Directives } from '../directives.ts';

/** One process of its own session that runs one job and outlives the operator: `shell/job.sh`. */
export type KeeperOptions = {
  /** Path of `job.sh`. */
  readonly program: string;
  /** The job's own. */
  readonly folder: string;
  /** Where its script runs. */
  readonly workFolder: string;
  readonly token: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly directives: Directives;
  /** ms between TERM and KILL. */
  readonly killWaitMs: number;
  /** Of the open file the job writes to; closed here. */
  readonly output: number;
  readonly onExit: () => void;
};

/** Starts it, or tries to: what became of it is read from the job's folder. Started twice, the job still runs once. */
export function startKeeper(options: KeeperOptions): void {
  const { folder, token, directives } = options;
  const limit = directives.request.timeLimitSeconds;
  const limitSeconds = Number.isFinite(limit) ? limit : 0;
  const warning = limitSeconds > 0 ? directives.warning : undefined;
  const times = [
    String(limitSeconds),
    warning?.signal ?? '-',
    String(Math.max(0, limitSeconds - (warning?.beforeSeconds ?? 0))),
    String(Math.ceil(options.killWaitMs / 1000)),
  ];
  const keeper = spawn('/bin/sh', [options.program, folder, token, ...times], {
    cwd: options.workFolder,
    detached: true,
    env: options.environment,
    stdio: ['ignore', options.output, options.output],
  });
  keeper.on('error', options.onExit);
  keeper.on('exit', options.onExit);
  keeper.unref();
  closeSync(options.output);
}
