import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { z } from 'zod';
import { serveScript, standInCommand } from '../../src/cli/package.ts';
import { Settings, siteOf } from '../../src/config.ts';
import { deploymentNames, NAMESPACE, renderedScripts } from '../fleet.ts';
import { jobLogsIn } from '../operator.ts';
import { mustBeQueued } from '../submission.ts';
import { answered, createDeployments, deploymentAt, toldJobs } from './deployments.ts';
import { type KubeGround, onKubeGround, withKubeOperator } from './ground.ts';
import type { RawLoop, RawTask } from './raw-loop.ts';
import { EVENT_WRITE, STATUS_WRITE, type Writes, writesOfOperator } from './writes.ts';

export type Convergence = {
  /** Seconds from before the first deployment is created until every status names its job. */
  readonly operator: number;
  /** Seconds for the same writes and submissions, as many at a time. */
  readonly rawLoop: number;
  /** What the operator wrote meanwhile. */
  readonly writes: Writes;
};

const WITHIN_MS = 300_000;
const RAW_LOOP = fileURLToPath(new URL('raw-loop.ts', import.meta.url));

/** Each on a new API server and a new SLURM. The operator goes first: the loop repeats what it wrote. */
export async function convergenceRound(deployments: number): Promise<Convergence> {
  const names = deploymentNames(0, deployments);
  const { seconds, writes, sample } = await onKubeGround('occupied', (ground) => byOperator(ground, names));
  const rawLoop = await onKubeGround('occupied', (ground) => byRawLoop(ground, names, writes, sample));
  return { operator: seconds, rawLoop, writes };
}

type Sample = Pick<RawTask, 'status' | 'events'>;

async function byOperator(ground: KubeGround, names: readonly string[]) {
  const { api } = ground;
  return withKubeOperator(ground, async (operator) => {
    await operator.leads();
    const startMs = performance.now();
    const [ids] = await Promise.all([toldJobs(api, names, WITHIN_MS), createDeployments(api, names)]);
    const seconds = (performance.now() - startMs) / 1000;
    await mustBeQueued(ground, ids);
    return { seconds, writes: await writesOfOperator(ground), sample: await sampleOf(ground, names[0] ?? '') };
  });
}

const Events = z.object({ items: z.array(z.looseObject({ regarding: z.looseObject({ name: z.string() }) })) });

async function sampleOf({ api }: KubeGround, name: string): Promise<Sample> {
  const { status = {} } = (await deploymentAt(api, name)) ?? {};
  const listed = await answered(api, 'GET', `/apis/events.k8s.io/v1/namespaces/${NAMESPACE}/events`);
  return { status, events: Events.parse(listed).items.filter(({ regarding }) => regarding.name === name) };
}

async function byRawLoop(
  { kube, bed, scratch }: KubeGround,
  names: readonly string[],
  writes: Writes,
  sample: Sample,
): Promise<number> {
  const settings = Settings.parse({ logDirectory: jobLogsIn(scratch) });
  const scripts = renderedScripts(names, siteOf(settings, standInCommand()), serveScript());
  const eachWrote = (kind: string): number => Math.round((writes[kind] ?? 0) / names.length);
  const task: RawTask = {
    ...sample,
    events: sample.events.slice(0, eachWrote(EVENT_WRITE)),
    statusWrites: eachWrote(STATUS_WRITE),
    kubeconfig: await kube.kubeconfig('raw-loop.kubeconfig'),
    submissions: scripts.map((submission, at) => ({ deployment: names[at] ?? '', submission })),
    atOnce: settings.limits.concurrency,
    submissionsAtOnce: settings.limits.slurmCalls,
  };
  const file = join(scratch, 'task.json');
  await writeFile(file, JSON.stringify(task));
  const { stdout } = await execa(process.execPath, [RAW_LOOP, file], {
    env: { PATH: process.env.PATH, HOME: tmpdir(), ...bed.env },
    extendEnv: false,
    timeout: WITHIN_MS,
  });
  return (JSON.parse(stdout) as RawLoop).seconds;
}
