import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FORCE_RELEASE_ANNOTATION, type Resource } from '../../src/api/resource.ts';
import type { Spec } from '../../src/api/spec.ts';
import type { Deps } from '../../src/controller/deps.ts';
import { ok } from '../../src/result.ts';
import { readIdentity } from '../../src/slurm/identity.ts';
import { serves, thenExits } from '../../src/slurm/simulated/behaviour.ts';
import { deployment } from '../gen/deployment.ts';
import { createScenario, PromiseBroken, type Scenario, type ScenarioOptions } from './scenario.ts';
import { runSeed } from './seeded-run.ts';
import { createPorts } from './troubled.ts';
import type { Breach } from './witness.ts';

/** The test of the tests: an operator with a bug is found out, by the promise the bug breaks. */
type Planted = {
  readonly bug: string;
  readonly options: ScenarioOptions;
  /** The promises that may find it. */
  readonly caughtBy: readonly string[];
  /** What brings it to light, where chance alone would take too long. */
  readonly story?: (scenario: Scenario) => Promise<void>;
};

const WITHIN_SEEDS = 300;

const tamper = (change: (deps: Deps) => Partial<Deps>): ScenarioOptions => ({
  tamper: (deps) => ({ ...deps, ...change(deps) }),
});
const withSlurm = (change: (slurm: Deps['slurm']) => Partial<Deps['slurm']>) =>
  tamper(({ slurm }) => ({ slurm: { ...slurm, ...change(slurm) } }));
/** The operator sees another resource than the store holds. */
const withResource = (change: (resource: Resource) => Resource) =>
  tamper(({ store }) => ({
    store: {
      ...store,
      async get(key) {
        const got = await store.get(key);
        return got.ok && got.value ? ok(change(got.value)) : got;
      },
    },
  }));
const withSpec = (change: (spec: Spec) => Spec) =>
  withResource((resource) => ({ ...resource, spec: resource.spec && change(resource.spec) }));

const PLANTED: readonly Planted[] = [
  {
    bug: 'cancels by id alone',
    options: withSlurm((slurm) => ({
      async cancel(ref) {
        const listing = await slurm.listJobs();
        const holder = listing.ok ? listing.value.jobs.find((job) => job.id === ref.id) : undefined;
        return slurm.cancel({ ...ref, name: holder?.name ?? ref.name });
      },
    })),
    caughtBy: ['P3'],
    async story(scenario) {
      scenario.apply('chat', deployment());
      scenario.start();
      await scenario.advance(3_000);
      scenario.crashController(5_000);
      scenario.cluster.control.addForeignJob({ name: 'vllm.default.chat.r0.a9' }); // has the lost job's id now
      scenario.remove('chat');
      await scenario.advance(1_000);
    },
  },
  {
    bug: 'reads silence as an empty listing',
    options: tamper(({ slurm, clock }) => ({
      slurm: {
        ...slurm,
        async listJobs() {
          const listing = await slurm.listJobs();
          return listing.ok ? listing : ok({ jobs: [], askedAtMs: clock.now() });
        },
      },
    })),
    caughtBy: ['P1', 'P4', 'P7'],
  },
  {
    bug: 'excludes nodes without end and without expiry',
    options: tamper((deps) => ({
      ...withSpec((spec) => ({
        ...spec,
        restartPolicy: { ...spec.restartPolicy, excludeFailedNodes: { ttlSeconds: 604_800, max: 64 } },
      })).tamper?.(deps),
    })),
    caughtBy: ['rule 6'],
  },
  {
    bug: 'submits without singleton',
    options: {
      ...withSlurm((slurm) => ({
        submit: ({ name, script }) => slurm.submit({ name, script: script.replace(/^#SBATCH --dependency=.*\n/m, '') }),
      })),
    },
    caughtBy: ['P2'],
    async story(scenario) {
      const port = createPorts();
      scenario.cluster.control.setBehaviour(() => serves({ port: port(), readyAfterMs: 1_000 }));
      scenario.slurmFault({ fault: { kind: 'unknown', effect: { afterMs: 152_000 } }, on: ['submit'] });
      scenario.apply('chat', deployment());
      scenario.start();
      await scenario.advance(240_000);
    },
  },
  {
    bug: 'submits without a claim',
    options: tamper(({ store }) => ({
      store: {
        ...store,
        async writeStatus(seen, status) {
          const claims = status.records?.some((record) => record.doubtUntil && !record.jobId);
          return claims ? ok(seen) : store.writeStatus(seen, status);
        },
      },
    })),
    caughtBy: ['P1'],
  },
  {
    bug: 'has no doubt window',
    options: tamper(({ policy }) => ({
      policy: { ...policy, doubtWindowMs: 0, submitTimeoutMs: 0, submitWithinMs: 0 },
    })),
    caughtBy: ['P1', 'P4'],
  },
  {
    bug: 'releases the finalizer without waiting',
    options: withResource((resource) =>
      resource.deletingSinceMs === undefined
        ? resource
        : { ...resource, annotations: { ...resource.annotations, [FORCE_RELEASE_ANNOTATION]: 'true' } },
    ),
    caughtBy: ['P4'],
  },
  {
    bug: 'settles a failure each time it is seen',
    options: withResource((resource) => ({
      ...resource,
      status: {
        ...resource.status,
        records: resource.status.records?.map((record) => ({
          ...record,
          settledAttempt: Math.max(0, Math.min(record.settledAttempt, record.attempt - 1)),
        })),
      },
    })),
    caughtBy: ['rule 5'],
  },
  {
    bug: 'adopts the jobs of an old resource of the same name',
    options: tamper(({ slurm, store }) => ({
      slurm: {
        ...slurm,
        async listJobs() {
          const [listing, resources] = [await slurm.listJobs(), await store.list()];
          if (!listing.ok || !resources.ok) return listing;
          const jobs = listing.value.jobs.map((job) => {
            const uid = readIdentity(job)?.uid;
            const heir = resources.value.find(({ key }) => job.name.startsWith(`vllm.${key.namespace}.${key.name}.`));
            return uid && heir ? { ...job, comment: job.comment.replace(`uid=${uid}`, `uid=${heir.uid}`) } : job;
          });
          return ok({ ...listing.value, jobs });
        },
      },
    })),
    caughtBy: ['P5'],
  },
  {
    bug: 'believes whatever answers at the place a job names',
    options: { believes: () => true },
    caughtBy: ['P6'],
  },
  {
    bug: 'tries again before an unknown submission can be ruled out',
    options: withSlurm((slurm) => ({
      async submit(submission) {
        const result = await slurm.submit(submission);
        return result.ok || result.error.kind !== 'unknown'
          ? result
          : { ok: false, error: { ...result.error, kind: 'unreachable' } };
      },
    })),
    caughtBy: ['P1'],
  },
  {
    bug: 'takes another attempt number while the fate of the last is unknown',
    options: withResource((resource) => ({
      ...resource,
      status: {
        ...resource.status,
        records: resource.status.records?.map(({ doubtUntil, ...record }) =>
          doubtUntil !== undefined && record.jobId === undefined
            ? { ...record, settledAttempt: record.attempt, submitTime: undefined }
            : { ...record, ...(doubtUntil !== undefined && { doubtUntil }) },
        ),
      },
    })),
    caughtBy: ['P1'],
  },
  {
    bug: 'does not hear of suspension',
    options: withSpec((spec) => ({ ...spec, suspend: false })),
    caughtBy: ['P11'],
  },
  {
    bug: 'writes what is written already',
    options: withResource((resource) => ({
      ...resource,
      status: { ...resource.status, selector: 'something else' },
    })),
    caughtBy: ['P16'],
  },
  {
    bug: 'dates conditions anew with every write',
    options: tamper(({ store, clock }) => ({
      store: {
        ...store,
        async writeStatus(seen, status) {
          const lastTransitionTime = new Date(clock.now()).toISOString();
          return store.writeStatus(seen, {
            ...status,
            conditions: status.conditions?.map((condition) => ({ ...condition, lastTransitionTime })),
          });
        },
      },
    })),
    caughtBy: ['P16'],
  },
  {
    bug: 'asks SLURM without pause',
    options: tamper(({ policy }) => ({ policy: { ...policy, tickMs: 500 } })),
    caughtBy: ['P10'],
  },
  {
    bug: 'knows no budget',
    options: {
      ...withSpec((spec) => ({ ...spec, restartPolicy: { ...spec.restartPolicy, maxRestarts: 100 } })),
      cluster: {
        behave: ({ serial }) =>
          thenExits(serves({ port: 20_001 + serial }), 5_000, { exitCode: 68 }, { failureClass: 'died' }),
      },
    },
    caughtBy: ['P10'],
  },
];

describe('an operator with a bug is found out', () => {
  for (const { bug, options, caughtBy, story } of PLANTED) {
    it(`one that ${bug}: by ${caughtBy.join(' or ')}`, async () => {
      if (story) {
        assert.equal(await breachOf(story, {}), undefined, 'one without the bug is not');
        assert.ok(caughtBy.includes((await breachOf(story, options))?.promise ?? 'none'));
        return;
      }
      for (let seed = 1; seed <= WITHIN_SEEDS; seed++) {
        const { breach } = await runSeed(seed, options);
        if (breach && caughtBy.includes(breach.promise)) return;
      }
      assert.fail(`not found by ${caughtBy.join(', ')} within ${WITHIN_SEEDS} seeds`);
    });
  }
});

async function breachOf(story: NonNullable<Planted['story']>, options: ScenarioOptions): Promise<Breach | undefined> {
  const scenario = createScenario(options);
  await story(scenario).catch((error: unknown) => {
    if (!(error instanceof PromiseBroken)) throw error;
  });
  return scenario.breach();
}
