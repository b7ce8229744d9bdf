import { type Behaviour, serves, thenExits } from '../../src/slurm/simulated/behaviour.ts';
import { createSimulatedSlurm } from '../../src/slurm/simulated/simulated.ts';
import { createManualClock } from '../gen/manual-clock.ts';
import type { ScriptKind, SlurmBed } from './slurm.ts';

const RUNS: Behaviour = { port: 20_001, steps: [], stopMs: 500 };
const BEHAVIOURS: Readonly<Record<ScriptKind, Behaviour>> = {
  runs: RUNS,
  reports: serves({ port: 20_001, readyAfterMs: 1000 }),
  'exits-0': thenExits(RUNS, 100, { exitCode: 0 }),
  'exits-7': thenExits(RUNS, 100, { exitCode: 7 }),
};

export async function simulated(): Promise<SlurmBed> {
  const clock = createManualClock();
  const { slurm, control } = createSimulatedSlurm({ clock });
  // A simulated script is never run: what it would do is set while it is written.
  const script = (kind: ScriptKind): string => {
    control.setBehaviour(() => BEHAVIOURS[kind]);
    return `# ${kind}\n`;
  };
  const nodeNames = ['node001', 'node002', 'node003', 'node004'];
  return { slurm, script, nodeNames, gpusPerNode: 4, advance: clock.advance, close: slurm.close };
}
