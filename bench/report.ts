import type { Idle } from './idle.ts';
import type { Round } from './submission.ts';
import type { Ticks } from './ticks.ts';

/** Everything measured; `--json` prints it. */
export type Measured = {
  readonly deployments: number;
  readonly rounds: readonly Round[];
  readonly ticks: readonly Ticks[];
  readonly idle: Idle;
};

export type Row = {
  readonly what: string;
  readonly aim: string;
  readonly value: string;
  /** undefined: nothing is aimed at, it is only told. */
  readonly isMet?: boolean;
};

const AIM = { ratio: 1.1, listings: 1, bytesAJob: 150, memory: 150, cpu: 0.01, written: 0 };

export function rowsOf({ deployments, rounds, ticks, idle }: Measured): readonly Row[] {
  return [...submissionRows(deployments, rounds), ...tickRows(ticks), ...idleRows(deployments, idle)];
}

function submissionRows(deployments: number, rounds: readonly Round[]): readonly Row[] {
  const ratio = median(rounds.map(({ operator, rawLoop }) => operator / rawLoop));
  const each = (pick: (round: Round) => number) => rounds.map((round) => pick(round).toFixed(2)).join(', ');
  return [
    told(
      `${deployments} files to ${deployments} known jobs, s`,
      each(({ operator }) => operator),
    ),
    told(
      'the same scripts in a raw loop of sbatch, s',
      each(({ rawLoop }) => rawLoop),
    ),
    aimed('ratio, median of the rounds', `≤ ${AIM.ratio.toFixed(2)}`, ratio.toFixed(2), ratio <= AIM.ratio),
  ];
}

function tickRows(ticks: readonly Ticks[]): readonly Row[] {
  const each = (pick: (at: Ticks) => string) => ticks.map(pick).join(' · ');
  const sizes = each(({ deployments }) => String(deployments));
  const calls = ticks.map(({ callsATick }) => listed(callsATick));
  const requests = ticks.map(({ requestsATick }) => listed(requestsATick));
  const onlyListings = ticks.every(({ callsATick }) => listed(callsATick) === listed({ squeue: AIM.listings }));
  const bytes = ticks.map(({ bytesAJob }) => bytesAJob);
  return [
    aimed(`SLURM programs a tick at ${sizes} deployments`, 'one squeue', same(calls), onlyListings),
    aimed('slurmctld requests a tick', 'no slope', same(requests), new Set(requests).size === 1),
    told(
      'squeue bytes a tick',
      each(({ listingBytes }) => String(listingBytes)),
    ),
    aimed(
      'bytes a job beyond its comment',
      `≤ ${AIM.bytesAJob}`,
      bytes.map((one) => one.toFixed(0)).join(' · '),
      bytes.every((one) => one <= AIM.bytesAJob),
    ),
  ];
}

function idleRows(deployments: number, idle: Idle): readonly Row[] {
  const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
  return [
    aimed(
      `resident memory, idle with ${deployments}, MiB`,
      `≤ ${AIM.memory}`,
      idle.memory.toFixed(0),
      idle.memory <= AIM.memory,
    ),
    told('its peak, MiB', idle.peakMemory.toFixed(0)),
    aimed(
      `CPU of the operator in ${idle.seconds} idle seconds, of a core`,
      `≤ ${AIM.cpu * 100} %`,
      percent(idle.cpu),
      idle.cpu <= AIM.cpu,
    ),
    told("CPU of SLURM's programs that it ran", percent(idle.childrenCpu)),
    aimed('files written meanwhile', String(AIM.written), String(idle.written.length), idle.written.length === 0),
  ];
}

export const told = (what: string, value: string): Row => ({ what, aim: '', value });
export const aimed = (what: string, aim: string, value: string, isMet: boolean): Row => ({ what, aim, value, isMet });

/** One text if all are the same, else each. */
const same = (texts: readonly string[]): string => [...new Set(texts)].join(' · ');

function listed(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1));
  return parts.map(([name, count]) => `${count} ${name}`).join(', ') || 'none';
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] ?? Number.NaN) + (sorted[sorted.length >> 1] ?? Number.NaN)) / 2;
}

/** Aligned, one row a line. */
export function table(rows: readonly Row[]): string {
  const cells = [
    ['', 'aim', 'measured', ''],
    ...rows.map(({ what, aim, value, isMet }) => [
      what,
      aim,
      value,
      isMet === undefined ? '' : isMet ? 'met' : 'MISSED',
    ]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)));
  return cells
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
