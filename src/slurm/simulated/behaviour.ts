import type { JobReport } from '../identity.ts';
import type { EndState } from '../job.ts';

/** What a simulated job does once it runs, as data: the script itself is never executed. */
export type Behaviour = {
  /** Where its engine listens once it answers. */
  readonly port: number;
  /** In the order of time. */
  readonly steps: readonly Step[];
  /** ms from TERM until its last process is gone; the job is COMPLETING that long. */
  readonly stopMs: number;
  /** ms it takes to drain after the warning of `--signal`; undefined: it ignores the warning and meets its time limit. */
  readonly drainMs?: number;
};

/** `afterMs` counts from the start of the job. */
export type Step = {
  readonly afterMs: number;
} /** Puts the report behind the marker of its comment; node and port are the true ones unless it says otherwise. */ & (
  | { readonly does: 'report'; readonly report: JobReport }
  /** Replaces the whole comment, marker and all. */
  | { readonly does: 'comment'; readonly comment: string }
  /** The engine begins to answer. */
  | { readonly does: 'answer' }
  /** The engine stops answering while the job lives on. */
  | { readonly does: 'hang' }
  | { readonly does: 'exit'; readonly ending: ScriptEnd }
);

/** How a batch script ends by itself. */
export type ScriptEnd = {
  /** Default: COMPLETED for 0, else FAILED. OUT_OF_MEMORY must be said. */
  readonly state?: EndState;
  readonly exitCode: number;
  readonly signal?: number;
  readonly reason?: string;
};

/** A replica that comes up and stays up. */
export function serves(options: {
  readonly port: number;
  readonly readyAfterMs?: number;
  readonly stopMs?: number;
}): Behaviour {
  const readyMs = options.readyAfterMs ?? 30_000;
  return {
    port: options.port,
    stopMs: options.stopMs ?? 1000,
    drainMs: 10_000,
    steps: [
      { afterMs: Math.min(1000, readyMs), does: 'report', report: { phase: 'starting' } },
      { afterMs: Math.min(2000, readyMs), does: 'report', report: { phase: 'loading' } },
      { afterMs: readyMs, does: 'answer' },
      { afterMs: readyMs, does: 'report', report: { phase: 'ready', afterSeconds: Math.round(readyMs / 1000) } },
    ],
  };
}

/** Says its last words and exits `afterMs` after its start; what it would have done later it does no more. */
export function thenExits(
  before: Behaviour,
  afterMs: number,
  ending: ScriptEnd,
  lastWords?: Pick<JobReport, 'failureClass' | 'why'>,
): Behaviour {
  const report: JobReport = { phase: ending.exitCode === 0 ? 'ended' : 'failed', code: ending.exitCode, ...lastWords };
  return {
    ...before,
    steps: [
      ...before.steps.filter((step) => step.afterMs < afterMs),
      ...(lastWords ? [{ afterMs, does: 'report', report } as const] : []),
      { afterMs, does: 'exit', ending },
    ],
  };
}

/** Serves, then hangs: the job looks healthy and answers nobody. */
export function thenHangs(before: Behaviour, afterMs: number): Behaviour {
  return { ...before, steps: [...before.steps.filter((step) => step.afterMs < afterMs), { afterMs, does: 'hang' }] };
}

/** What `serve.sh` writes behind the marker, in the form `readReport` reads. */
export function reportText(report: JobReport): string {
  const pairs: readonly (readonly [string, string | number | undefined])[] = [
    ['phase', report.phase],
    ['node', report.node],
    ['port', report.port],
    ['after', report.afterSeconds],
    ['class', report.failureClass],
    ['code', report.code],
    ['why', report.why],
  ];
  return pairs.flatMap(([key, value]) => (value === undefined ? [] : [`|${key}=${value}`])).join('');
}
