import { appendFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { NodeBed } from '../node-bed/bed.ts';
import { until } from '../operator/until.ts';
import { type Background, runInBackground } from './background.ts';

/** What is done to a replica that serves over several nodes; `peer` is a node other than its first. */
export type Fault = {
  readonly name: string;
  /** `ends`: a process or a connection ends, which somebody notices. `silent`: nothing ends, or nobody is told. */
  readonly kind: 'ends' | 'silent';
  inject(bed: NodeBed, nodes: Nodes): Promise<void>;
  /** Makes the nodes usable again; jobs on them may have gone by then. */
  heal(bed: NodeBed, nodes: Nodes): Promise<void>;
};
export type Nodes = { readonly head: string; readonly peer: string };

/** One rank: vLLM's worker by the name it gives itself, or the stand-in; not the launchers, whose argv quotes it. */
const RANK = '^(VLLM::Worker|[^ ]*node [^ ]*stand-in\\.ts )';
/** torchrun's agent, which takes seconds to load before it joins the others. */
const MEMBER = '^[^ ]*python[^ ]* [^ ]*torchrun ';

const nothing = async (): Promise<void> => undefined;

async function hit(bed: NodeBed, node: string, signal: 'KILL' | 'STOP'): Promise<void> {
  if ((await bed.signal(node, signal, RANK)) === 0) throw new Error(`no rank on ${node}`);
}

export const FAULTS = [
  {
    name: 'rank of a peer killed',
    kind: 'ends',
    inject: (bed, { peer }) => hit(bed, peer, 'KILL'),
    heal: nothing,
  },
  {
    name: 'rank of the head killed',
    kind: 'ends',
    inject: (bed, { head }) => hit(bed, head, 'KILL'),
    heal: nothing,
  },
  {
    name: 'all processes of a peer killed',
    kind: 'ends',
    inject: (bed, { peer }) => bed.killNode(peer),
    heal: (bed, { peer }) => bed.startNode(peer),
  },
  {
    name: 'power of a peer failed',
    kind: 'silent',
    inject: (bed, { peer }) => bed.crashNode(peer),
    heal: (bed, { peer }) => bed.startNode(peer),
  },
  {
    name: 'power of the head failed',
    kind: 'silent',
    inject: (bed, { head }) => bed.crashNode(head),
    heal: (bed, { head }) => bed.startNode(head),
  },
  {
    name: 'network of a peer cut',
    kind: 'silent',
    inject: (bed, { peer }) => bed.cutNode(peer),
    heal: (bed, { peer }) => bed.mendNode(peer),
  },
  {
    name: 'rank of a peer stopped',
    kind: 'silent',
    inject: (bed, { peer }) => hit(bed, peer, 'STOP'),
    heal: nothing,
  },
] as const satisfies readonly Fault[];
export type FaultName = (typeof FAULTS)[number]['name'];

export function faultNamed(name: FaultName): Fault {
  const faults: readonly Fault[] = FAULTS;
  const fault = faults.find((one) => one.name === name);
  if (!fault) throw new Error(`no fault ${name}`);
  return fault;
}

/** Injects it and writes a line into `log/faults.jsonl` of the bed. @returns epoch ms just before it was done */
export async function injectAndLog(bed: NodeBed, fault: Fault, nodes: Nodes): Promise<number> {
  const atMs = Date.now();
  await fault.inject(bed, nodes);
  const line = { at: new Date(atMs).toISOString(), doneMs: Date.now() - atMs, fault: fault.name, ...nodes };
  await appendFile(`${bed.directory}/log/faults.jsonl`, `${JSON.stringify(line)}\n`);
  return atMs;
}

/** Heals, and waits until SLURM has both nodes back. */
export async function healAndSettle(bed: NodeBed, fault: Fault, nodes: Nodes): Promise<void> {
  await fault.heal(bed, nodes);
  await until(
    `${nodes.head} and ${nodes.peer} usable`,
    async () => {
      const states = await bed.run('sinfo', '-h', '-N', '-n', `${nodes.head},${nodes.peer}`, '-p', 'gpu', '-o', '%t');
      return states.split('\n').every((state) => /^(idle|mix|alloc|comp)$/.test(state)) || undefined;
    },
    180_000,
  );
}

/** A peer that never comes: what would join the others there stands still from its first moments, while it loads. */
export async function keepAway(bed: NodeBed, peer: string): Promise<void> {
  await until(`a launcher on ${peer}`, async () => (await bed.signal(peer, 'STOP', MEMBER)) > 0 || undefined);
}

/** Somebody else has these ports of a node. */
export function takePorts(bed: NodeBed, node: string, low: number, high: number): Promise<Background> {
  return runInBackground(bed, node, fileURLToPath(new URL('./take-ports.ts', import.meta.url)), low, high);
}

/** A hub that refuses everybody, as nodes see it. @returns its `HF_ENDPOINT` */
export async function refuseModels(
  bed: NodeBed,
  status: 401 | 403 | 404,
): Promise<Background & { readonly endpoint: string }> {
  const port = 8300 + (status % 100);
  const file = fileURLToPath(new URL('./gated-hub.ts', import.meta.url));
  const hub = await runInBackground(bed, 'controller', file, bed.controllerAddress, port, status);
  return { ...hub, endpoint: `http://${bed.controllerAddress}:${port}` };
}
