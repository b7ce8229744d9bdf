import { parseArgs } from 'node:util';
import { type NodeBed, startNodeBed } from '../node-bed/bed.ts';
import { prepareVllm } from '../vllm/prepare.ts';
import { type Desk, openDesk } from './desk.ts';
import { FAULTS, type Fault, healAndSettle, injectAndLog } from './faults.ts';
import { faultToResubmit, jobsOf } from './resubmission.ts';
import { slurmsOwnRequeue } from './slurm-requeue.ts';
import { standIn } from './specs.ts';

/**
 * `fault-table.ts [--rounds 10] [--launcher torchrun] [--only REGEX] [--no-requeue] [--tick 10] [--slurmd-timeout 300]
 * [--side-by-side 4]`: from fault to new `sbatch`, by kind, with everything that has a default at its default, SLURM's
 * patience with a silent node too: the stand-in engine over two nodes, under the real launcher, on real SLURM. Beside
 * it, once a fault, what SLURM's own `--requeue` does for the same script.
 */
type Round = {
  readonly fault: Fault;
  readonly resubmitMs: number;
  readonly reason: string;
  readonly freshNodes: boolean;
};

const READY_MS = 240_000;
const RESUBMIT_MS = 240_000;
/** Longer than the canary's period: a fault comes at any moment of it. */
const ANY_MOMENT_MS = 31_000;

async function round(bed: NodeBed, desk: Desk, fault: Fault, name: string): Promise<Round> {
  await desk.write(name, spec);
  await desk.ready(name, READY_MS);
  const [job] = (await jobsOf(bed, name)).slice(-1);
  const [head, peer] = job?.nodes ?? [];
  if (!job || !head || !peer) throw new Error(`${name} has no job of two nodes`);
  await new Promise((resolve) => setTimeout(resolve, Math.random() * ANY_MOMENT_MS));
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
    tick: { type: 'string', default: '10' },
    'slurmd-timeout': { type: 'string', default: '300' },
    'side-by-side': { type: 'string', default: '4' },
  },
});
const atOnce = Number(values['side-by-side']);
const slurmdTimeoutSeconds = Number(values['slurmd-timeout']);
const { venv, paths } = await prepareVllm(console.error);
/** Whole nodes: what is done to one must not hit a neighbour. */
const spec = {
  ...standIn(venv, values.launcher === 'native' ? 'native' : 'torchrun'),
  slurm: { extraArgs: ['--exclusive'] },
};
/** Nothing is done to them. Where all that serves falls silent at once, the operator takes it for its own network's fault. */
const bystanders = ['calm-0', 'calm-1'];
// Two each, one to go to, one more that may be down still.
const bed = await startNodeBed({ nodes: 3 * atOnce + 1 + bystanders.length, expose: paths, slurmdTimeoutSeconds });
const rounds: Round[] = [];
const requeues = new Map<string, string>();
const failed: string[] = [];

async function ownRound(desk: Desk, fault: Fault, name: string): Promise<string> {
  const done = await round(bed, desk, fault, name);
  rounds.push(done);
  return `${(done.resubmitMs / 1000).toFixed(1)} s, ${done.reason}`;
}

async function slurmsRound(desk: Desk, fault: Fault, name: string): Promise<string> {
  // It notices within its time-out and two thirds of it, and a requeued job waits two minutes before it may start.
  const patienceMs = (slurmdTimeoutSeconds * 1.7 + 180) * 1000;
  const took = await slurmsOwnRequeue(bed, desk, fault, name, spec, patienceMs);
  requeues.set(fault.name, took);
  return `--requeue: ${took}`;
}

try {
  const desk = await openDesk(bed, { 'intervals.tickSeconds': Number(values.tick), 'intervals.resyncSeconds': 300 });
  for (const name of bystanders)
    await desk.write(name, { ...spec, parallelism: {}, resources: { ...spec.resources, nodes: 1 } });
  for (const name of bystanders) await desk.ready(name, READY_MS);
  const faults = FAULTS.filter(({ name }) => new RegExp(values.only).test(name));
  const own = Array.from({ length: Number(values.rounds) }, (_, n) =>
    faults.map((fault, i) => ({ fault, run: () => ownRound(desk, fault, `f${i}-${n}`) })),
  ).flat();
  const slurms = faults.map((fault, i) => ({ fault, run: () => slurmsRound(desk, fault, `q${i}`) }));
  // Those first: they last longest.
  const todo = [...(values['no-requeue'] ? [] : slurms), ...own].values();
  const work = async (): Promise<void> => {
    for (const { fault, run } of todo) {
      const said = await run().catch((error: unknown) => {
        const why = error instanceof Error ? error.message : String(error);
        failed.push(`${fault.name}: ${why}`);
        return `FAILED ${why}`;
      });
      console.error(`${fault.name}: ${said}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  for (const name of bystanders) {
    const { restarts = 0 } = await desk.status(name);
    if (restarts > 0) failed.push(`${name} was restarted although nothing was done to it`);
  }
  await desk.close();
} finally {
  console.log(table(rounds, requeues));
  await bed.stop();
}
if (rounds.some(({ freshNodes }) => !freshNodes)) throw new Error('a new job was on a node that had been excluded');
if (failed.length > 0) throw new Error(failed.join('\n'));
