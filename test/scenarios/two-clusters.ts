import assert from 'node:assert/strict';
import type { Key } from '../../src/api/key.ts';
import { FORCE_RELEASE_ANNOTATION, type Resource } from '../../src/api/resource.ts';
import type { SpecInput } from '../../src/api/spec.ts';
import type { Condition } from '../../src/api/status.ts';
import { createMemorySecretFiles } from '../../src/secrets/memory.ts';
import { readDirectives } from '../../src/slurm/directives.ts';
import { type Identity, readIdentity } from '../../src/slurm/identity.ts';
import { createRandom } from '../../src/slurm/simulated/random.ts';
import { createSimulatedSlurm, type SimulatedSlurm } from '../../src/slurm/simulated/simulated.ts';
import type { SimJob } from '../../src/slurm/simulated/world.ts';
import type { Slurm } from '../../src/slurm/slurm.ts';
import { createMemoryStore, type MemoryStore } from '../../src/store/memory.ts';
import { createManualClock } from '../gen/manual-clock.ts';
import { type Operator, startOperator } from '../gen/operator.ts';
import { createSimulatedProber } from '../gen/simulated-prober.ts';
import { identityOf, recordOf, sameSlot } from './truth.ts';

export const NAMES = ['alps', 'jura'] as const;
export type ClusterName = (typeof NAMES)[number];

/** The real controllers on two simulated clusters; what must hold over both is checked after every step. */
export type TwoClusters = {
  readonly clusters: Readonly<Record<ClusterName, SimulatedSlurm>>;
  readonly store: MemoryStore;
  now(): number;
  /** Begins the operator, or another in its place, with these clusters in its settings. */
  start(names?: readonly ClusterName[]): Operator;
  apply(name: string, spec: Partial<SpecInput>, annotations?: Readonly<Record<string, string>>): void;
  remove(name: string): void;
  advance(ms: number): Promise<void>;
  until(what: string, isSo: () => boolean, withinMs?: number): Promise<void>;
  resource(name: string): Resource | undefined;
  condition(name: string, type: string): Condition | undefined;
  isReady(name: string): boolean;
  /** Somebody else's jobs take all of a partition, until the result is called. */
  fill(cluster: ClusterName, partition: PartitionName): () => void;
  /** Live jobs on one cluster: `chat.r0.a1 running`. */
  jobs(cluster: ClusterName): readonly string[];
  /** Short names of what the cluster was asked to submit or to cancel so far. */
  asked(cluster: ClusterName, call: 'submit' | 'cancel'): readonly string[];
  writes(): number;
};

/** The first is the default. */
const PARTITIONS = { gpu: ['node001', 'node002', 'node003'], fast: ['node004'] } as const;
export type PartitionName = keyof typeof PARTITIONS;
const CPUS = 64;
const SHAPE = {
  nodes: Object.values(PARTITIONS)
    .flat()
    .map((name) => ({ name, cpus: CPUS, gpus: 4 })),
  partitions: Object.entries(PARTITIONS).map(([name, nodes]) => ({
    ...{ name, nodes },
    ...{ maxNodes: nodes.length, maxTimeSeconds: Number.POSITIVE_INFINITY },
  })),
};

type Living = { readonly cluster: ClusterName; readonly job: SimJob; readonly identity: Identity };

export const keyOf = (name: string): Key => ({ namespace: 'default', name });
const short = (name: string): string => name.replace('vllm.default.', '');

export function createTwoClusters(seed = 1): TwoClusters {
  const clock = createManualClock();
  const startMs = clock.now();
  const random = createRandom(seed);
  const clusters = {
    alps: createSimulatedSlurm({ clock, seed, cluster: 'alps', ...SHAPE }),
    // The very ids of the other: a number alone names no job.
    jura: createSimulatedSlurm({ clock, seed: seed + 1, cluster: 'jura', ...SHAPE }),
  };
  let ids = 0;
  const store = createMemoryStore({ clock, newId: () => `uid-${++ids}` });
  const secretFiles = createMemorySecretFiles();
  const lines: string[] = [];
  const note = (line: string): void => void lines.push(`${((clock.now() - startMs) / 1000).toFixed(1)}  ${line}`);
  const forced = new Set<string>();
  let broken: string | undefined;
  let operator: Operator | undefined;
  let resources: readonly Resource[] = [];

  const living = (): readonly Living[] =>
    NAMES.flatMap((cluster) =>
      clusters[cluster].inspect.live().flatMap((job) => {
        const identity = identityOf(job);
        return identity && identity.owner === store.id ? [{ cluster, job, identity }] : [];
      }),
    );

  async function read(): Promise<void> {
    const listed = await store.list();
    assert.ok(listed.ok);
    resources = listed.value;
  }

  function breach(what: string): void {
    broken ??= what;
    note(`BROKEN ${what}`);
  }

  /** P1, P2 and P4, over both clusters. */
  function look(): void {
    const going = living().filter(({ job }) => job.phase === 'pending' || job.phase === 'running');
    for (const one of going) {
      const other = going.find(({ cluster, identity }) => cluster !== one.cluster && sameSlot(identity, one.identity));
      if (other) breach(`P1: ${one.job.name} goes on ${one.cluster} and ${other.job.name} on ${other.cluster}`);
    }
    const serving = NAMES.flatMap((cluster) => clusters[cluster].inspect.serving()).flatMap(
      (job) => identityOf(job) ?? [],
    );
    for (const [at, one] of serving.entries())
      if (serving.slice(at + 1).some((other) => sameSlot(one, other)))
        breach(`P2: replica ${one.replica} is served twice`);
    for (const { job, identity } of living())
      if (!forced.has(identity.uid) && !resources.some(({ uid }) => uid === identity.uid))
        breach(`P4: ${job.name} outlives its resource`);
  }

  function watched(cluster: ClusterName): Slurm {
    const { slurm } = clusters[cluster];
    return {
      ...slurm,
      async submit(submission) {
        await read();
        const directives = readDirectives(submission.script);
        const identity = readIdentity({
          name: submission.name,
          comment: directives.ok ? directives.value.comment : '',
        });
        const resource = resources.find(({ uid }) => uid === identity?.uid);
        if (identity && recordOf(resource, identity.replica)?.attempt !== identity.attempt)
          breach(`P1: ${submission.name} is submitted on ${cluster} and was not claimed`);
        if (identity && operatorKnows === 2 && resource?.status.cluster !== cluster)
          breach(`P1: ${submission.name} is submitted on ${cluster}, claimed for ${resource?.status.cluster}`);
        const answer = await slurm.submit(submission);
        note(`${cluster}: submit ${submission.name} ${answer.ok ? answer.value : answer.error.kind}`);
        return answer;
      },
      async cancel(ref) {
        const answer = await slurm.cancel(ref);
        note(`${cluster}: cancel ${ref.name} ${answer.ok ? 'ok' : answer.error.kind}`);
        return answer;
      },
    };
  }
  let operatorKnows = 0;

  function start(names: readonly ClusterName[] = NAMES): Operator {
    operator?.kill();
    note(`the operator starts with ${names.join(', ')}`);
    operatorKnows = names.length;
    const [first, ...others] = names.map(watched);
    assert.ok(first);
    operator = startOperator(
      {
        ...{ clock, random, store, secretFiles, slurm: first, others, settings: {} },
        events: {
          record: async (resource, list) =>
            list.forEach(({ reason, message }) => void note(`${resource.key.name} ${reason}: ${message}`)),
        },
        secrets: { read: async () => assert.fail('no deployment here has a secret') },
        prober: (its, { cluster }) =>
          createSimulatedProber(its, {
            answering: clusters[cluster as ClusterName].inspect.answering,
            cut: () => false,
            answered: () => undefined,
          }),
      },
      {
        onError: (fields) => breach(`a turn threw: ${JSON.stringify(fields)}`),
        onKilled: (where) => note(`killed ${where}`),
      },
    );
    return operator;
  }

  async function advance(ms: number): Promise<void> {
    const untilMs = clock.now() + ms;
    await clock.advance(0);
    do {
      const nextMs = Math.min(
        untilMs,
        clock.nextTimerMs() ?? untilMs,
        ...NAMES.map((name) => clusters[name].inspect.nextChangeMs() ?? untilMs),
      );
      await clock.advance(Math.max(0, nextMs - clock.now()));
      await read();
      look();
      if (broken !== undefined) assert.fail(`${broken}\n${lines.join('\n')}`);
    } while (clock.now() < untilMs);
  }

  const resource = (name: string): Resource | undefined => resources.find(({ key }) => key.name === name);
  const condition = (name: string, type: string): Condition | undefined =>
    resource(name)?.status.conditions?.find((one) => one.type === type);
  return {
    ...{ clusters, store, start, advance, resource, condition, now: clock.now, writes: store.writes },
    apply(name, spec, annotations) {
      note(`apply ${name} ${JSON.stringify(spec)}`);
      if (annotations?.[FORCE_RELEASE_ANNOTATION]) forced.add(resource(name)?.uid ?? '');
      store.apply(keyOf(name), { model: { uri: 'hf://org/model' }, ...spec }, annotations);
    },
    remove(name) {
      note(`remove ${name}`);
      store.remove(keyOf(name));
    },
    async until(what, isSo, withinMs = 600_000) {
      const untilMs = clock.now() + withinMs;
      await advance(0);
      while (!isSo()) {
        if (clock.now() >= untilMs) assert.fail(`not within ${withinMs / 1000} s: ${what}\n${lines.join('\n')}`);
        await advance(1_000);
      }
    },
    fill(cluster, partition) {
      const { control } = clusters[cluster];
      const jobs = PARTITIONS[partition].map((node) =>
        control.addForeignJob({
          name: `full-${node}`,
          user: 'somebody',
          request: {
            ...{ nodes: 1, cpusPerNode: CPUS, gpusPerNode: 0, timeLimitSeconds: Number.POSITIVE_INFINITY },
            ...{ partitions: [partition], exclude: [], nodelist: [node], singleton: false },
          },
        }),
      );
      return () => jobs.forEach(({ serial }) => void control.cancel(serial));
    },
    isReady: (name) => condition(name, 'Ready')?.status === 'True',
    jobs: (cluster) =>
      living()
        .filter((one) => one.cluster === cluster)
        .map(({ job }) => `${short(job.name)} ${job.phase}`)
        .sort(),
    asked: (cluster, call) =>
      clusters[cluster].inspect
        .calls()
        .filter(({ name }) => name === call)
        .map(({ jobNames: [name = ''] }) => short(name)),
  };
}
