import { spawn } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../operator/until.ts';
import type { KubeBed } from './bed.ts';

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

/** `vllm-slurm run --kubernetes`, a process. */
export type KubeOperator = {
  readonly pid: number;
  /** What it said on stderr so far. */
  log(): string;
  /** A page of its metrics or probes. */
  page(path: '/metrics' | '/healthz' | '/readyz'): Promise<{ readonly code: number; readonly text: string }>;
  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void;
  /** Ctrl-C, or another signal; answers with the exit code. */
  stop(signal?: 'SIGINT' | 'SIGKILL'): Promise<number | null>;
};

const SETTINGS = {
  'intervals.tickSeconds': 1,
  'intervals.resyncSeconds': 10,
  'intervals.sweepSeconds': 10,
  'cluster.timeoutSeconds': 12,
  doubtWindowSeconds: 15,
  vanishedGraceSeconds: 2,
  portRange: '10000-19999',
  'log.format': 'json',
  metricsBindAddress: '127.0.0.1:0',
  healthProbeBindAddress: '127.0.0.1:0',
  'kubernetes.leaseNamespace': 'vllm-slurm-system',
};

/** Starts one and waits until it says where its pages are. It goes with the bed's directory. */
export async function startKubeOperator(
  bed: KubeBed,
  kubeconfig: string,
  options: {
    readonly settings?: Readonly<Record<string, string | number | boolean>>;
    readonly env?: Readonly<Record<string, string>>;
    /** The program. Default: the sources. */
    readonly main?: string;
  } = {},
): Promise<KubeOperator> {
  const home = await mkdtemp(join(bed.directory, 'operator-'));
  const settings = {
    ...SETTINGS,
    logDirectory: join(bed.directory, 'logs'),
    secretDirectory: join(bed.directory, 'secrets'),
    'local.directory': join(bed.directory, 'cluster'),
    ...options.settings,
  };
  const flags = Object.entries(settings).map(([key, value]) => `--set=${key}=${value}`);
  const command = [options.main ?? MAIN, 'run', '--kubernetes', '--kubeconfig', kubeconfig, ...flags];
  // Should the test be killed, its operators are not left behind.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', process.execPath, ...command], {
    cwd: home,
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: home, ...options.env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (piece) => {
    said += piece;
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  const pages = await until(
    () => said,
    () => {
      const found = [...said.matchAll(/"(metrics|health)":"(127\.0\.0\.1:\d+)"/g)];
      if (child.exitCode !== null) throw new Error(`the operator ended: ${said}`);
      return found.length === 2 ? new Map(found.map(([, name = '', at = '']) => [name, at])) : undefined;
    },
  );
  return {
    pid: child.pid ?? 0,
    log: () => said,
    async page(path) {
      const at = pages.get(path === '/metrics' ? 'metrics' : 'health');
      const answer = await fetch(`http://${at}${path}`, { signal: AbortSignal.timeout(10_000) });
      return { code: answer.status, text: await answer.text() };
    },
    signal: (signal) => void child.kill(signal),
    async stop(signal = 'SIGINT') {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      return ended;
    },
  };
}
