import { parseArgs } from 'node:util';
import { type NodeBed, startNodeBed } from '../node-bed/bed.ts';
import { prepareVllm } from '../vllm/prepare.ts';
import { type Desk, openDesk } from './desk.ts';
import { FAULTS, type Fault, healAndSettle, injectAndLog } from './faults.ts';
import { faultToResubmit, jobsOf } from './resubmission.ts';
import { slurmsOwnRequeue } from './slurm-requeue.ts';
import { standIn } from './specs.ts';

/**
 * `fault-table.ts [--rounds 10] [--launcher torchrun] [--only REGEX] [--no-requeue]`: from fault to new `sbatch`, by
 * kind, with probes and backoff as a deployment has them by default: the stand-in engine over two nodes, under the
 * real launcher, on real SLURM. Beside it, once a fault, what SLURM's own `--requeue` does for the same script.
 */
type Round = {
  readonly fault: Fault;
  readonly resubmitMs: number;
  readonly reason: string;
  readonly freshNodes: boolean;
};

const READY_MS = 240_000;
/** SLURM notices a dead node within its time-out of 20 s, and waits two minutes before a requeued job may start. */
const RESUBMIT_MS = 300_000;

async function round(
  bed: NodeBed,
  desk: Desk,
  fault: Fault,
  name: string,
  launcher: 'torchrun' | 'native',
  venv: string,
) {
  await desk.write(name, standIn(venv, launcher));
  await desk.ready(name, READY_MS);
  const [job] = (await jobsOf(bed, name)).slice(-1);
  const [head, peer] = job?.nodes ?? [];
  if (!job || !head || !peer) throw new Error(`${name} has no job of two nodes`);
  const atMs = await injectAndLog(bed, fault, { head, peer });
  const resubmitMs = await faultToResubmit(bed, name, job.id, atMs, RESUBMIT_MS);
  await desk.ready(name, READY_MS);
  const status = await desk.status(name);
  const [next] = (await jobsOf(bed, name)).slice(-1);
  const excluded = status.excludedNodes?.map((node) => node.name) ?? [];
  const reason = `${status.lastFailure?.reason ?? 'none'}${excluded.length > 0 ? ` (${excluded.join(' ')} excluded)` : ''}`;
  await healAndSettle(bed, fault, { head, peer });
  await desk.remove(name);
  return { fault, resubmitMs, reason, freshNodes: excluded.every((node) => !next?.nodes.includes(node)) };
}

function table(rounds: readonly Round[], requeues: ReadonlyMap<string, string>): string {
  const lines = FAULTS.filter(({ name }) => rounds.some(({ fault }) => fault.name === name)).map(({ name, kind }) => {
    const own = rounds.filter(({ fault }) => fault.name === name);
    const times = own.map(({ resubmitMs }) => resubmitMs / 1000).toSorted((a, b) => a - b);
    const at = (share: number): string =>
      (times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0).toFixed(1);
    const reasons = [...new Set(own.map(({ reason }) => reason.replace(/node\d+/g, 'node')))].join(', ');
    return [name, kind, times.length, at(0.5), at(0.99), requeues.get(name) ?? '-', reasons].join(' | ');
  });
  return ['fault | kind | rounds | p50 s | p99 s | --requeue s | reason', '---|---|---|---|---|---|---', ...lines].join(
    '\n',
  );
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    launcher: { type: 'string', default: 'torchrun' },
    only: { type: 'string', default: '' },
    'no-requeue': { type: 'boolean', default: false },
  },
});
const launcher = values.launcher === 'native' ? 'native' : 'torchrun';
const { venv, paths } = await prepareVllm(console.error);
const bed = await startNodeBed({ nodes: 4, expose: paths });
const rounds: Round[] = [];
const requeues = new Map<string, string>();
try {
  const desk = await openDesk(bed);
  const faults = FAULTS.filter(({ name }) => new RegExp(values.only).test(name));
  for (const [i, fault] of faults.entries()) {
    for (let n = 0; n < Number(values.rounds); n++) {
      const done = await round(bed, desk, fault, `f${i}-${n}`, launcher, venv);
      rounds.push(done);
      console.error(`${fault.name}: ${(done.resubmitMs / 1000).toFixed(1)} s, ${done.reason}`);
    }
    if (!values['no-requeue']) {
      requeues.set(fault.name, await slurmsOwnRequeue(bed, desk, fault, `q${i}`, standIn(venv, launcher)));
    }
  }
  await desk.close();
} finally {
  console.log(table(rounds, requeues));
  await bed.stop();
}
if (rounds.some(({ freshNodes }) => !freshNodes)) throw new Error('a new job was on a node that had been excluded');
