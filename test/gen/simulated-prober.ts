import type { Clock } from '../../src/clock.ts';
import type { ProbeMemory, Prober, ProbeTarget } from '../../src/probe/prober.ts';
import type { SimJob } from '../../src/slurm/simulated/world.ts';

/** What stands at the other end of a probe. */
export type Line = {
  /** Whose process answers there; undefined: nobody. */
  answering(address: string, port: number): SimJob | undefined;
  /** The way between operator and nodes is cut. */
  cut(): boolean;
  /** A probe was answered by the job it was meant for. */
  answered(job: SimJob): void;
};

type Followed = { target: ProbeTarget; memory: ProbeMemory; readonly stop: () => void };

const NEVER: ProbeMemory = { lastOkMs: undefined, failures: 0, lastError: undefined };

/** Probes a simulated cluster: each target once a period, believing only an answer under the job's own model name. */
export function createSimulatedProber(
  clock: Clock,
  line: Line,
  believes: (job: SimJob, target: ProbeTarget) => boolean = isMeant,
): Prober & { followed(): number } {
  const followed = new Map<string, Map<string, Followed>>();
  const wakers: ((key: string) => void)[] = [];

  function probe(target: ProbeTarget, before: ProbeMemory): ProbeMemory {
    const { hostname, port } = new URL(target.url);
    const job = line.cut() ? undefined : line.answering(hostname, Number(port));
    if (job && isMeant(job, target)) line.answered(job);
    if (job && believes(job, target)) return { lastOkMs: clock.now(), failures: 0, lastError: undefined };
    const lastError = job ? `job ${job.id} answers there` : 'connect ECONNREFUSED';
    return { lastOkMs: before.lastOkMs, failures: before.failures + 1, lastError };
  }

  function follow(key: string, target: ProbeTarget): Followed {
    let withdraw = () => {};
    const one: Followed = { target, memory: probe(target, NEVER), stop: () => withdraw() };
    const again = () => {
      withdraw = clock.after(one.target.periodMs, () => {
        const before = one.memory;
        one.memory = probe(one.target, before);
        again();
        if ((before.failures === 0) !== (one.memory.failures === 0)) for (const wake of wakers) wake(key);
      });
    };
    again();
    return one;
  }

  return {
    async follow(key, targets) {
      const known = followed.get(key) ?? new Map<string, Followed>();
      const kept = new Map<string, Followed>();
      for (const target of targets) {
        const one = known.get(target.id);
        if (one?.target.url === target.url && one.target.periodMs === target.periodMs) {
          one.target = target;
          kept.set(target.id, one);
        } else kept.set(target.id, follow(key, target));
      }
      for (const [id, one] of known) if (kept.get(id) !== one) one.stop();
      if (kept.size > 0) followed.set(key, kept);
      else followed.delete(key);
      return new Map([...kept].map(([id, one]) => [id, one.memory]));
    },
    onChange: (wake) => void wakers.push(wake),
    close: async () => {
      for (const one of [...followed.values()].flatMap((targets) => [...targets.values()])) one.stop();
      followed.clear();
    },
    followed: () => [...followed.values()].reduce((sum, targets) => sum + targets.size, 0),
  };
}

/** A job's own model name ends in its id. */
function isMeant(job: SimJob, target: ProbeTarget): boolean {
  return target.ownModelName.endsWith(`--job-${job.id}`);
}
