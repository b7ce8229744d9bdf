import { describe } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { createSlurmCli } from '../../src/slurm/cli/cli.ts';
import { JOB_NAME_PREFIX } from '../../src/slurm/identity.ts';
import { type ScriptKind, slurmContract } from '../contract/slurm.ts';
import { startBed, whyNoBed } from './slurm-bed/bed.ts';
import { startSshBed } from './ssh-bed/bed.ts';
import { forced, openWire } from './ssh-bed/wire.ts';

/** SLURM behind a real sshd, by a key that opens nothing else. */

const SCRIPTS: Readonly<Record<ScriptKind, string>> = {
  'exits-7': 'exit 7\n',
  'exits-0': 'exit 0\n',
  runs: 'exec sleep 600\n',
  reports: 'scontrol update "JobId=$SLURM_JOB_ID" "Comment=$MARKER|phase=ready|port=20001"\nexec sleep 600\n',
};

describe('on real SLURM behind ssh', { skip: whyNoBed() ?? false }, () => {
  slurmContract(
    'its programs over one ssh connection, with a restricted key',
    async () => {
      const bed = await startBed();
      const sshd = await startSshBed({ environment: bed.env, keyOptions: forced('restrict') });
      const wire = openWire(sshd);
      // The key submits nothing under a name that is not the operator's.
      const environment = { PATH: process.env.PATH, ...bed.env };
      const stranger = createSlurmCli({ cluster: 'bed', clock: systemClock, environment });
      return {
        slurm: {
          ...wire.slurm,
          submit: (one) => (one.name.startsWith(JOB_NAME_PREFIX) ? wire.slurm : stranger).submit(one),
        },
        script: (kind) => SCRIPTS[kind],
        nodeNames: bed.nodeNames,
        gpusPerNode: bed.gpusPerNode,
        version: bed.version,
        async close() {
          await wire.close();
          await stranger.close();
          await sshd.stop();
          await bed.stop();
        },
      };
    },
    { deadlineMs: 180_000, shortestTime: '1' },
  );
});
