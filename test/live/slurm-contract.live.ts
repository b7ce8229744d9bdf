import { describe } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { createSlurmCli } from '../../src/slurm/cli/cli.ts';
import { slurmContract } from '../contract/slurm.ts';
import { startBed, whyNoBed } from './slurm-bed/bed.ts';
import { SCRIPTS } from './slurm-bed/scripts.ts';

describe('on real SLURM', { skip: whyNoBed() ?? false }, () => {
  slurmContract(
    'its own programs',
    async () => {
      const bed = await startBed();
      const slurm = createSlurmCli({
        cluster: 'bed',
        clock: systemClock,
        environment: { PATH: process.env.PATH, ...bed.env },
      });
      return {
        slurm,
        script: (kind) => SCRIPTS[kind],
        nodeNames: bed.nodeNames,
        async close() {
          await slurm.close();
          await bed.stop();
        },
      };
    },
    // SLURM counts a limit in minutes and looks at it twice a minute.
    { deadlineMs: 180_000, shortestTime: '1' },
  );
});
