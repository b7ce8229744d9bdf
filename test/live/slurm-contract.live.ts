import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { embedded } from '../contract/embedded.ts';
import { simulated } from '../contract/simulated.ts';
import { slurmContract } from '../contract/slurm.ts';
import { BED_VERSIONS, type Bed, type BedVersion, startBed, whyNoBed, whyNoVersion } from './slurm-bed/bed.ts';
import { ADAPTERS, type AdapterName } from './slurm-bed/places.ts';
import { sameJobTests } from './slurm-bed/same-job.ts';
import { SCRIPTS } from './slurm-bed/scripts.ts';
import { createTable } from './slurm-bed/table.ts';

/**
 * The port on real SLURM: each version, each adapter, side by side, for most of it is waiting for SLURM. What may differ
 * is said here, in one place, and nothing else may.
 */
const KNOWN_DIFFERENCES: Readonly<Record<string, { readonly historyHasNoExitCodes: true }>> = {
  '22.05 REST': { historyHasNoExitCodes: true },
};

const EMPTY = 'a cluster that never had a job is believed to have none';

/** The clusters that are ours, held to the same in the same run. */
const OURS = { local: embedded, simulated };

const adapters = Object.keys(ADAPTERS) as readonly AdapterName[];
const columnOf = (version: BedVersion, adapter: AdapterName): string => `${version} ${adapter}`;

const lacking = new Map(
  whyNoBed()
    ? []
    : await Promise.all(BED_VERSIONS.map(async (version) => [version, await whyNoVersion(version)] as const)),
);

describe('the port on real SLURM', { skip: whyNoBed() ?? false, concurrency: 14 }, () => {
  const real = BED_VERSIONS.flatMap((version) => adapters.map((adapter) => columnOf(version, adapter)));
  const table = createTable([...real, ...Object.keys(OURS)]);
  const beds = new Map<BedVersion, Promise<Bed>>();
  const bedOf = (version: BedVersion): Promise<Bed> => {
    const bed = beds.get(version) ?? startBed({ version, rest: true, accounting: true }).then(askEmpty);
    beds.set(version, bed);
    return bed;

    /** Before anybody submits. */
    async function askEmpty(made: Bed): Promise<Bed> {
      for (const adapter of adapters) {
        const slurm = await ADAPTERS[adapter](made);
        const listed = await slurm.listJobs();
        await slurm.close();
        const isKept = listed.ok && listed.value.jobs.length === 0;
        table.mark(columnOf(version, adapter), EMPTY, isKept);
        if (!isKept) notEmpty.push(`${columnOf(version, adapter)}: ${JSON.stringify(listed)}`);
      }
      return made;
    }
  };
  const notEmpty: string[] = [];

  after(async () => {
    const up = (await Promise.allSettled(beds.values())).flatMap((one) =>
      one.status === 'fulfilled' ? one.value : [],
    );
    const are = up.map((bed) => bed.version).join(', ');
    process.stdout.write(`${[`SLURM ${are}`, ...table.lines()].join('\n')}\n`);
    for (const { reason } of (await Promise.allSettled(up.map((bed) => bed.stop()))).filter(isRejected)) throw reason;
  });

  for (const [column, make] of Object.entries(OURS))
    slurmContract(column, make, { told: (sentence, isKept) => table.mark(column, sentence, isKept) });
  for (const version of BED_VERSIONS) {
    const why = lacking.get(version);
    if (why !== undefined) {
      test(version, { skip: why }, () => undefined);
      continue;
    }
    for (const adapter of adapters) {
      const column = columnOf(version, adapter);
      slurmContract(
        column,
        async () => {
          const bed = await bedOf(version);
          const slurm = await ADAPTERS[adapter](bed);
          return { ...bed, slurm, script: (kind) => SCRIPTS[kind], close: slurm.close };
        },
        {
          // SLURM counts a limit in minutes and looks at it twice a minute.
          deadlineMs: 180_000,
          shortestTime: '1',
          keepsAccounting: true,
          atOnce: 3,
          told: (sentence, isKept) => table.mark(column, sentence, isKept),
          ...KNOWN_DIFFERENCES[column],
        },
      );
    }

    test(`${version}: ${EMPTY}`, async () => {
      await bedOf(version);
      assert.deepEqual(
        notEmpty.filter((line) => line.startsWith(version)),
        [],
      );
    });

    sameJobTests(
      version,
      () => bedOf(version),
      (sentence, isKept) => table.mark(columnOf(version, 'REST'), sentence, isKept),
    );
  }
});

const isRejected = (one: PromiseSettledResult<void>): one is PromiseRejectedResult => one.status === 'rejected';
