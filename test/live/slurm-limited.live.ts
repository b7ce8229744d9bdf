import assert from 'node:assert/strict';
import { appendFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { createPace } from '../../src/controller/pace.ts';
import { type Bed, startBed, whyNoBed } from './slurm-bed/bed.ts';
import { ADAPTERS } from './slurm-bed/places.ts';

/** A controller that limits its users tells them in no other way than by letting them sleep. */
describe('a SLURM with rl_enable', { skip: whyNoBed() ?? false }, () => {
  const PER_SECOND = 50;
  let bed: Bed;
  before(async () => {
    bed = await startBed({ version: '24.11', rest: true, accounting: true });
    await appendFile(
      `${bed.directory}/etc/slurm.conf`,
      'SlurmctldParameters=rl_enable,rl_bucket_size=3,rl_refill_rate=1\n',
    );
    await bed.stopController();
    await bed.startController();
  });
  after(() => bed?.stop());

  for (const adapter of ['CLI', 'REST'] as const) {
    test(`${adapter}: every submission is answered, and SLURM is asked less and less often`, async () => {
      const slurm = await ADAPTERS[adapter](bed);
      let least = PER_SECOND;
      const pace = createPace({
        ...{ clock: systemClock, atOnce: 4, perSecond: PER_SECOND, burst: PER_SECOND },
        onChange: (perSecond) => {
          least = Math.min(least, perSecond);
        },
      });
      const all = await Promise.all(
        Array.from({ length: 16 }, (_, at) => {
          const name = `vllm.limited-${adapter.toLowerCase()}.job.r0.a${at}`;
          const script = `#!/bin/bash\n#SBATCH --job-name=${name} --output=/dev/null\nexit 0\n`;
          return pace.run(() => slurm.submit({ name, script }), 'submit');
        }),
      );
      await slurm.close();
      assert.deepEqual(
        all.filter((one) => !one.ok),
        [],
      );
      assert.ok(least <= PER_SECOND / 4, `it was asked ${least} times a second at the least`);
    });
  }
});
