import { aimed, median, type Row, told } from '../report.ts';
import type { Convergence } from './convergence.ts';
import type { FleetCost } from './fleet.ts';
import type { Transitions } from './transitions.ts';
import { totalOf } from './writes.ts';

/** Everything measured of the Kubernetes side; `--json` prints it. */
export type KubeMeasured = {
  readonly deployments: number;
  readonly transitions: Transitions;
  readonly rounds: readonly Convergence[];
  readonly fleet: readonly FleetCost[];
};

const AIM = { writesATransition: 1, ratio: 1.25, idleWrites: 0, cpu: 0.01, restartWrites: 0, jobsTouched: 0 };

export function kubeRowsOf({ deployments, transitions, rounds, fleet }: KubeMeasured): readonly Row[] {
  return [
    transitionRow(transitions),
    ...convergenceRows(deployments, rounds),
    ...fleet.flatMap(fleetRows),
    ...growthRows(fleet),
  ];
}

function transitionRow({ statusWrites, transitions }: Transitions): Row {
  return aimed(
    'status writes a transition, from apply to Ready, scaled and deleted',
    `≤ ${AIM.writesATransition}`,
    `${statusWrites} for ${transitions}`,
    statusWrites <= transitions * AIM.writesATransition,
  );
}

function convergenceRows(deployments: number, rounds: readonly Convergence[]): readonly Row[] {
  const ratio = median(rounds.map(({ operator, rawLoop }) => operator / rawLoop));
  const each = (pick: (round: Convergence) => number) => rounds.map((round) => pick(round).toFixed(2)).join(', ');
  return [
    told(
      'API writes a resource until its job is known',
      each(({ writes }) => totalOf(writes) / deployments),
    ),
    told(
      `${deployments} resources to ${deployments} known jobs, s`,
      each(({ operator }) => operator),
    ),
    told(
      'the same writes and submissions in a raw loop, s',
      each(({ rawLoop }) => rawLoop),
    ),
    aimed('ratio, median of the rounds', `≤ ${AIM.ratio.toFixed(2)}`, ratio.toFixed(2), ratio <= AIM.ratio),
  ];
}

function fleetRows({ deployments, idle, restart, noop }: FleetCost): readonly Row[] {
  const beside = (pick: (noop: NonNullable<FleetCost['noop']>) => string) =>
    noop ? `, no-op in Go ${pick(noop)}` : '';
  const writes = totalOf(idle.writes);
  return [
    aimed(
      `API writes in ${idle.seconds} idle seconds with ${deployments}`,
      String(AIM.idleWrites),
      String(writes),
      writes === AIM.idleWrites,
    ),
    aimed(
      'CPU of the operator meanwhile, of a core',
      `≤ ${AIM.cpu * 100} %`,
      `${(idle.cpu * 100).toFixed(2)} %`,
      idle.cpu <= AIM.cpu,
    ),
    told(`restart with ${deployments}: all read, SLURM heard, s`, restart.read.toFixed(1)),
    told('each had a turn, s', `${restart.turned.toFixed(1)}${beside(({ seconds }) => seconds.toFixed(1))}`),
    aimed(
      'API writes of the restart',
      String(AIM.restartWrites),
      String(totalOf(restart.writes)),
      totalOf(restart.writes) === AIM.restartWrites,
    ),
    aimed(
      'jobs touched by it',
      String(AIM.jobsTouched),
      String(restart.jobsTouched.length),
      restart.jobsTouched.length === AIM.jobsTouched,
    ),
    told('resident memory then, MiB', `${restart.memory.toFixed(0)}${beside(({ memory }) => memory.toFixed(0))}`),
  ];
}

/** Between the smallest and the largest fleet. */
function growthRows(fleet: readonly FleetCost[]): readonly Row[] {
  const [first, last] = [fleet[0], fleet.at(-1)];
  if (!first || !last || first === last) return [];
  const thousands = (last.deployments - first.deployments) / 1000;
  const growth = (from: number, to: number): string => ((to - from) / thousands).toFixed(1);
  const noop = first.noop && last.noop ? `, no-op in Go ${growth(first.noop.memory, last.noop.memory)}` : '';
  return [told('memory a thousand resources more, MiB', `${growth(first.restart.memory, last.restart.memory)}${noop}`)];
}
