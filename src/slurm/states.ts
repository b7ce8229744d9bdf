import {
  END_STATES,
  type EndState,
  PENDING_STATES,
  type PendingState,
  RUNNING_STATES,
  type RunningState,
} from './job.ts';

/** A state word with the phase it stands for. */
export type PhasedState =
  | { readonly phase: 'pending'; readonly state: PendingState }
  | { readonly phase: 'running'; readonly state: RunningState }
  | { readonly phase: 'completing'; readonly state: 'COMPLETING' }
  | { readonly phase: 'ended'; readonly state: EndState };

/** Words of some versions for what a word of ours says already. Source: squeue(1) of 23.02 and 25.11. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['EXPEDITING', 'REQUEUED'],
  ['NODE_FAILED', 'NODE_FAIL'],
  ['POWER_UP_NODE', 'CONFIGURING'],
]);

const PHASES: ReadonlyMap<string, PhasedState> = new Map<string, PhasedState>([
  ...PENDING_STATES.map((state) => [state, { phase: 'pending', state }] as const),
  ...RUNNING_STATES.map((state) => [state, { phase: 'running', state }] as const),
  ['COMPLETING', { phase: 'completing', state: 'COMPLETING' }],
  ...END_STATES.map((state) => [state, { phase: 'ended', state }] as const),
]);

/**
 * @param word as squeue's `%T`, scontrol's `JobState=` or sacct's `State` print it; sacct adds `by UID` to a cancellation
 * @returns undefined for a word this program does not know: no phase may be guessed for it
 */
export function readState(word: string): PhasedState | undefined {
  const first = word.split(' ', 1)[0] ?? '';
  return PHASES.get(ALIASES.get(first) ?? first);
}
