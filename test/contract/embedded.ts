import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import { createLocalCluster } from '../../src/slurm/local/local.ts';
import type { ScriptKind, SlurmBed } from './slurm.ts';

const SCRIPTS: Readonly<Record<ScriptKind, string>> = {
  'exits-0': 'exit 0\n',
  'exits-7': 'exit 7\n',
  runs: 'exec sleep 600\n',
  reports: `scontrol update jobid="$SLURM_JOB_ID" comment="$MARKER|phase=ready|port=20001"\nexec sleep 600\n`,
};

/** A scratch directory of its own. */
export async function embedded(): Promise<SlurmBed> {
  const directory = await mkdtemp(join(tmpdir(), 'vllm-slurm-local-'));
  const made = await createLocalCluster({ directory, clock: systemClock, gpus: 4, cpus: 16 });
  assert.ok(made.ok, JSON.stringify(made));
  const slurm = made.value;
  return {
    slurm,
    script: (kind) => SCRIPTS[kind],
    nodeNames: ['localhost'],
    gpusPerNode: 4,
    async close() {
      await slurm.cancelAll();
      await slurm.close();
      await rm(directory, { recursive: true });
    },
  };
}
