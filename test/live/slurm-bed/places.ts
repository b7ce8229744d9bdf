import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { systemClock } from '../../../src/clock.ts';
import { createSlurmCli } from '../../../src/slurm/cli/cli.ts';
import { createSlurmRest } from '../../../src/slurm/rest/rest.ts';
import { createTokenFile } from '../../../src/slurm/rest/token.ts';
import type { Slurm } from '../../../src/slurm/slurm.ts';
import type { Bed } from './bed.ts';

/** Whose jobs they are, over either adapter; every Debian has it. 26.05 lets nobody's jobs be nobody's. */
const USER = 'games';

/** Each way to speak to a bed. */
export const ADAPTERS = {
  CLI: async (bed: Bed): Promise<Slurm> =>
    createSlurmCli({
      cluster: 'bed',
      clock: systemClock,
      commandPrefix: ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups'],
      environment: { PATH: process.env.PATH, ...bed.env },
    }),
  REST: async (bed: Bed): Promise<Slurm> => {
    const file = `${bed.directory}/run/token-${randomUUID()}`;
    await writeFile(file, await bed.token(USER, 3600), { mode: 0o600 });
    const token = createTokenFile({ file, clock: systemClock, privileged: false });
    return createSlurmRest({
      cluster: 'bed',
      clock: systemClock,
      server: { url: bed.restUrl },
      token: token.read,
    });
  },
} as const satisfies Readonly<Record<string, (bed: Bed) => Promise<Slurm>>>;

export type AdapterName = keyof typeof ADAPTERS;
