import { writeFile } from 'node:fs/promises';
import { describe } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { createSlurmRest } from '../../src/slurm/rest/rest.ts';
import { createTokenFile } from '../../src/slurm/rest/token.ts';
import { slurmContract } from '../contract/slurm.ts';
import { startBed, whyNoBed } from './slurm-bed/bed.ts';
import { SCRIPTS } from './slurm-bed/scripts.ts';

/** Whose jobs they are: a token of root's is refused. */
const USER = 'nobody';

describe('on real SLURM', { skip: whyNoBed() ?? false }, () => {
  slurmContract(
    'slurmrestd',
    async () => {
      const bed = await startBed({ rest: true, accounting: true });
      const file = `${bed.directory}/run/token`;
      await writeFile(file, await bed.token(USER, 3600), { mode: 0o600 });
      const token = createTokenFile({ file, clock: systemClock, privileged: false });
      const slurm = createSlurmRest({
        cluster: 'bed',
        clock: systemClock,
        server: { url: bed.restUrl },
        token: token.read,
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
    { deadlineMs: 180_000, shortestTime: '1', keepsAccounting: true, historyHasNoExitCodes: true },
  );
});
