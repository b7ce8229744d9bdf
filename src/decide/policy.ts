/** The operator's own patience, the same for every deployment. Comes from `config/operator.yaml`; all in ms. */
export type Policy = {
  /** Between two listings of the fleet. */
  readonly tickMs: number;
  /** How long a submission of unknown fate may still land; longer than Slurm's MessageTimeout. */
  readonly doubtWindowMs: number;
  /** A submit not begun by then is not begun: its claim on record grows old. */
  readonly submitWithinMs: number;
  /** The longest a begun submit may take before its caller gives up. */
  readonly submitTimeoutMs: number;
  /** How long a job missing from listing and accounting is waited for before it counts as lost. */
  readonly vanishedGraceMs: number;
  /** How long a pending reason that never resolves may stand before the deployment is Stalled. */
  readonly queuedForeverGraceMs: number;
  /** An unanswering endpoint is not given up before this, whatever its probe settings: in-job watchdog first. */
  readonly unresponsiveGraceMs: number;
  /** Added to `probes.startup.timeoutSeconds` before the operator, rather than the job itself, gives up. */
  readonly startupSlackMs: number;
  /** Before a refused submission is tried again. */
  readonly rejectedRetryMs: number;
  /** Before a submission that never arrived is tried again. */
  readonly unreachableRetryMs: number;
  /** Between two looks for a secret that cannot be read. */
  readonly secretRetryMs: number;
};

export const DEFAULT_POLICY: Policy = {
  tickMs: 10_000,
  doubtWindowMs: 60_000,
  submitWithinMs: 30_000,
  submitTimeoutMs: 30_000,
  vanishedGraceMs: 60_000,
  queuedForeverGraceMs: 60_000,
  unresponsiveGraceMs: 85_000,
  startupSlackMs: 60_000,
  rejectedRetryMs: 600_000,
  unreachableRetryMs: 15_000,
  secretRetryMs: 30_000,
};
