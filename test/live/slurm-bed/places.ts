import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../../src/clock.ts';
import { createSlurmCli } from '../../../src/slurm/cli/cli.ts';
import { JOB_NAME_PREFIX } from '../../../src/slurm/identity.ts';
import { createSlurmRest } from '../../../src/slurm/rest/rest.ts';
import { createTokenFile } from '../../../src/slurm/rest/token.ts';
import type { Slurm } from '../../../src/slurm/slurm.ts';
import { startSshBed } from '../ssh-bed/bed.ts';
import { forced, openWire } from '../ssh-bed/wire.ts';
import type { Bed } from './bed.ts';

/** Whose jobs they are, where nobody has to log in; every Debian has it. 26.05 lets nobody's jobs be nobody's. */
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
  /** Through a real sshd, by a key that opens nothing else; it submits as root, who is let in there. */
  'CLI over ssh': async (bed: Bed): Promise<Slurm> => {
    const { PATH = process.env.PATH, ...environment } = bed.env;
    const binDirectory = PATH === process.env.PATH ? undefined : join(bed.directory, 'bin');
    const sshd = await startSshBed({ environment, keyOptions: forced('restrict', '-', '-', binDirectory) });
    const wire = openWire(sshd, { binDirectory });
    // The key submits nothing under a name that is not the operator's.
    const stranger = createSlurmCli({ cluster: 'bed', clock: systemClock, environment: { PATH, ...environment } });
    return {
      ...wire.slurm,
      submit: (one) => (one.name.startsWith(JOB_NAME_PREFIX) ? wire.slurm : stranger).submit(one),
      async close() {
        await wire.close();
        await stranger.close();
        await sshd.stop();
      },
    };
  },
} as const satisfies Readonly<Record<string, (bed: Bed) => Promise<Slurm>>>;

export type AdapterName = keyof typeof ADAPTERS;
