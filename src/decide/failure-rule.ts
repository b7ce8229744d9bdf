import type { EndState } from '../slurm/job.ts';

/** What an end looks like, what it means, and what is done about it. */
export type FailureRule = {
  readonly reason: string;
  /** All that is said here must hold. */
  readonly match: {
    /** Slurm's end states, and the five ends Slurm does not know of. */
    readonly ends?: readonly EndWord[];
    readonly exitCodes?: readonly number[];
    /** That ended the batch script; 0: none did. */
    readonly signals?: readonly number[];
    /** Slurm's own reason word or sbatch's own words. */
    readonly slurm?: RegExp;
    /** The job's own last word, `WORD` or `WORD:NODE,NODE`. */
    readonly why?: RegExp;
    /** How many of the allocation's nodes that word names; a job on one node always means that one. */
    readonly named?: 'all' | 'some';
    /** A group called `node` names the node at fault. */
    readonly log?: RegExp;
  };
  /** Whose fault: `node` is kept out for a while; of `peers` also the first node, when no other could reach it. */
  readonly blame: 'node' | 'peers' | 'configuration' | 'transient';
  readonly retry: 'now' | 'backoff' | 'slowly' | 'never';
  readonly spendsBudget: boolean;
  /** What happened, for people. */
  readonly summary: string;
  /** What the person can do, in the resource's own fields. */
  readonly advice?: string;
  readonly source: string;
};

/**
 * `VANISHED`: no record left. `OVERDUE`, `UNRESPONSIVE`: the operator gave up. `REJECTED`: sbatch refused. `NOT_PLACED`:
 * its secrets could not be put where it reads them, so sbatch was not asked.
 */
export type EndWord = EndState | 'VANISHED' | 'OVERDUE' | 'UNRESPONSIVE' | 'REJECTED' | 'NOT_PLACED';
