import type { Slurm } from '../slurm.ts';
import type { Random } from './random.ts';

export type CallName = Exclude<keyof Slurm, 'cluster' | 'close'>;

/** Whether a call whose answer never came has done its work: at once, some time later, or not at all. */
export type Effect = 'none' | 'now' | { readonly afterMs: number } | { readonly withinMs: number };

/** What may go wrong with one call. */
export type Fault =
  /** Did not arrive. */
  | { readonly kind: 'unreachable' }
  /** A time-out, or half an answer. `effect` is for submit and cancel; default none. */
  | { readonly kind: 'unknown'; readonly effect?: Effect }
  | { readonly kind: 'rejected'; readonly message: string }
  /** Acknowledged, then forgotten: the id of a lost submission goes to the next one. For submit and cancel. */
  | { readonly kind: 'lost' }
  /** A view as old as this, sold as fresh. For listJobs. */
  | { readonly kind: 'stale'; readonly ageMs: number }
  /** Nothing but `answersAfterMs`. */
  | { readonly kind: 'slow' };

/** When a fault strikes. Rules are tried in the order they were set; the first that strikes decides. */
export type FaultRule = {
  readonly fault: Fault;
  readonly on: readonly CallName[];
  /** Only calls about the job of this name. */
  readonly jobName?: string;
  /** How many calls it strikes. Default: 1; with `untilMs`: no limit. */
  readonly times?: number;
  /** Epoch, ms. */
  readonly fromMs?: number;
  readonly untilMs?: number;
  /** Of each call it could strike, 0 to 1. Default 1. */
  readonly chance?: number;
  /** The answer comes that much later; what the call does, it does at once. */
  readonly answersAfterMs?: number;
};

export type Call = { readonly name: CallName; readonly jobNames: readonly string[]; readonly nowMs: number };

export type Faults = {
  readonly set: (rule: FaultRule) => void;
  /** Removes every rule. */
  readonly heal: () => void;
  /** The rule that strikes this call, which it thereby spends. */
  readonly strike: (call: Call) => FaultRule | undefined;
};

export function createFaults(random: Random): Faults {
  let rules: { readonly rule: FaultRule; left: number }[] = [];
  return {
    set(rule) {
      rules.push({ rule, left: rule.times ?? (rule.untilMs === undefined ? 1 : Number.POSITIVE_INFINITY) });
    },
    heal() {
      rules = [];
    },
    strike(call) {
      if (rules.length === 0) return undefined;
      rules = rules.filter(({ rule, left }) => left > 0 && (rule.untilMs ?? Number.POSITIVE_INFINITY) > call.nowMs);
      const struck = rules.find(
        ({ rule }) => applies(rule, call) && (rule.chance === undefined || random() < rule.chance),
      );
      if (struck) struck.left -= 1;
      return struck?.rule;
    },
  };
}

function applies(rule: FaultRule, call: Call): boolean {
  return (
    rule.on.includes(call.name) &&
    (rule.fromMs ?? 0) <= call.nowMs &&
    (rule.jobName === undefined || call.jobNames.includes(rule.jobName))
  );
}
