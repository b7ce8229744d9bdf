import type { EndState } from '../slurm/job.ts';

/**
 * What an end means and what is done about it. Rows in order, first match wins, the last matches everything.
 * The reference page, the reason type and a test that wants an example for each row are made from the rows.
 */
export type FailureRule = {
  readonly reason: string;
  readonly match: {
    /** Slurm's end states, and the five ends Slurm does not know of. */
    readonly ends?: readonly EndWord[];
    readonly exitCodes?: readonly number[];
    /** That ended the batch script; 0: none did. */
    readonly signals?: readonly number[];
    /** Slurm's own reason word or sbatch's own words. */
    readonly slurm?: RegExp;
    readonly log?: RegExp;
  };
  /** Whose fault: `node` is kept out for a while. */
  readonly blame: 'node' | 'configuration' | 'transient';
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

export const FAILURES = [
  {
    reason: 'SubmitLimitReached',
    match: {
      ends: ['REJECTED'],
      slurm: /(Max|Grp)SubmitJob|temporarily unable to accept|MaxJobCount|queue (is )?full|at its limit/i,
    },
    blame: 'transient',
    retry: 'backoff',
    spendsBudget: false,
    summary: 'SLURM takes no more jobs of this user at present',
    advice: 'wait, end other jobs, or set spec.slurm.qos or spec.slurm.account to one with room',
    source: 'recorded sbatch output (QOSMaxSubmitJobPerUserLimit); slurm.conf(5) MaxJobCount',
  },
  {
    reason: 'SubmissionRejected',
    match: { ends: ['REJECTED'] },
    blame: 'configuration',
    retry: 'slowly',
    spendsBudget: false,
    summary: 'SLURM refused the job',
    advice: 'correct the field of spec.slurm or spec.resources that SLURM names; an edit is tried at once',
    source: 'recorded sbatch output (invalid account, partition, QOS, node count, memory)',
  },
  {
    reason: 'SubmissionRejected',
    match: { ends: ['FAILED'], slurm: /^(BadConstraints|Requested node configuration is not available)/i },
    blame: 'configuration',
    retry: 'slowly',
    spendsBudget: false,
    summary: 'SLURM refused the job and kept a failed record of it',
    advice: 'correct spec.resources, spec.slurm.constraint or spec.slurm.partitions; an edit is tried at once',
    source: 'recorded: SLURM 22.05 leaves a FAILED job, BadConstraints, behind a refused sbatch',
  },
  {
    reason: 'SecretNotPlaced',
    match: { ends: ['NOT_PLACED'] },
    blame: 'transient',
    retry: 'backoff',
    spendsBudget: false,
    summary: 'a secret could not be written where the job would read it, so the job was not submitted',
    advice:
      'make the setting secretDirectory a directory that only the operator can write, on a file system the compute nodes share',
    source: "the operator's own write",
  },
  {
    reason: 'Vanished',
    match: { ends: ['VANISHED'] },
    blame: 'transient',
    retry: 'backoff',
    spendsBudget: false,
    summary: 'the job is in neither the queue nor accounting any more',
    source: 'measured: records are purged MinJobAge after the end',
  },
  {
    reason: 'NodeFailed',
    match: { ends: ['NODE_FAIL', 'BOOT_FAIL', 'LAUNCH_FAILED'] },
    blame: 'node',
    retry: 'now',
    spendsBudget: false,
    summary: 'a node of the allocation failed',
    source: 'squeue(1) JOB STATE CODES',
  },
  {
    reason: 'NodeFailed',
    match: { ends: ['FAILED'], slurm: /^(JobLaunchFailure|launch failed)/i, signals: [0] },
    blame: 'node',
    retry: 'now',
    spendsBudget: false,
    summary: 'the job could not be launched on its node',
    source: 'squeue(1) JOB REASON CODES; recorded: 22.05 says JobLaunchFailure of a job killed by a signal too',
  },
  {
    reason: 'Preempted',
    match: { ends: ['PREEMPTED', 'REVOKED'] },
    blame: 'transient',
    retry: 'backoff',
    spendsBudget: false,
    summary: 'the job was preempted by one of higher priority',
    advice: 'set spec.slurm.qos or spec.slurm.partitions to one that is not preempted',
    source: 'squeue(1) JOB STATE CODES',
  },
  {
    reason: 'WalltimeReached',
    match: { ends: ['TIMEOUT', 'DEADLINE'] },
    blame: 'transient',
    retry: 'now',
    spendsBudget: false,
    summary: 'the job reached its walltime',
    advice: 'set spec.slurm.time to a longer walltime if the partition allows it',
    source: 'squeue(1) JOB STATE CODES',
  },
  {
    reason: 'Unresponsive',
    match: { ends: ['UNRESPONSIVE'] },
    blame: 'node',
    retry: 'now',
    spendsBudget: true,
    summary: 'the endpoint stopped answering although SLURM calls the job running',
    source: 'measured: a crashed batch host stays RUNNING until SlurmdTimeout',
  },
  {
    reason: 'StartupTimeout',
    match: { ends: ['OVERDUE'] },
    blame: 'transient',
    retry: 'backoff',
    spendsBudget: true,
    summary: 'the model did not answer within probes.startup.timeoutSeconds',
    advice: 'set spec.probes.startup.timeoutSeconds higher if the weights are large or the file system slow',
    source: "the operator's own deadline",
  },
  {
    reason: 'StartupTimeout',
    match: { exitCodes: [70] },
    blame: 'transient',
    retry: 'backoff',
    spendsBudget: true,
    summary: 'the model did not answer within probes.startup.timeoutSeconds',
    advice: 'set spec.probes.startup.timeoutSeconds higher if the weights are large or the file system slow',
    source: 'config/launch/serve.sh exit code 70',
  },
  {
    reason: 'OutOfMemory',
    match: { ends: ['OUT_OF_MEMORY'] },
    blame: 'configuration',
    retry: 'never',
    spendsBudget: true,
    summary: 'the job used more host memory than it had asked for',
    advice: 'set spec.resources.memory or spec.resources.memoryPerGpu higher',
    source: 'squeue(1) JOB STATE CODES',
  },
  {
    reason: 'OutOfMemory',
    match: {
      ends: ['FAILED', 'COMPLETED'],
      log: /CUDA out of memory\. Tried to allocate|torch\.OutOfMemoryError|KV cache is needed, which is larger|No available memory for the cache blocks/,
    },
    blame: 'configuration',
    retry: 'never',
    spendsBudget: true,
    summary: 'the model does not fit in the GPU memory it has',
    advice:
      'set spec.engine.maxModelLen lower, spec.engine.gpuMemoryUtilization higher, or spec.resources.gpusPerNode and spec.parallelism.tensor higher',
    source: 'recorded vLLM logs',
  },
  {
    reason: 'Misconfigured',
    match: { exitCodes: [64] },
    blame: 'configuration',
    retry: 'never',
    spendsBudget: true,
    summary: 'the engine or its environment cannot start as it is set up',
    advice: 'read the log tail, correct spec.model, spec.engine or spec.runtime; an edit is tried at once',
    source: 'config/launch/serve.sh exit code 64; recorded vLLM logs',
  },
  {
    reason: 'PortInUse',
    match: { exitCodes: [66] },
    blame: 'transient',
    retry: 'now',
    spendsBudget: false,
    summary: 'no port could be had on the node',
    advice: 'leave out spec.endpoint.port, or set spec.endpoint.portRange wider',
    source: 'config/launch/serve.sh exit code 66',
  },
  {
    reason: 'NodeFailed',
    match: { exitCodes: [67] },
    blame: 'node',
    retry: 'now',
    spendsBudget: false,
    summary: 'the job itself found its node broken',
    source: 'config/launch/serve.sh exit code 67',
  },
  {
    reason: 'EngineHung',
    match: { exitCodes: [69] },
    blame: 'transient',
    retry: 'backoff',
    spendsBudget: true,
    summary: 'the engine stopped producing tokens',
    source: 'config/launch/serve.sh exit code 69',
  },
  {
    reason: 'CancelledExternally',
    match: { ends: ['CANCELLED'] },
    blame: 'transient',
    retry: 'backoff',
    spendsBudget: false,
    summary: 'somebody other than the operator cancelled the job',
    advice:
      'to stop it for good set spec.suspend or delete the deployment; spec.restartPolicy.onExternalCancel decides what a cancel does',
    source: 'squeue(1) JOB STATE CODES',
  },
  {
    reason: 'Ended',
    match: { ends: ['COMPLETED'] },
    blame: 'transient',
    retry: 'backoff',
    spendsBudget: false,
    summary: 'the job drained and ended without a failure, on a signal or before its walltime',
    source: 'config/launch/serve.sh exit code 0',
  },
  {
    reason: 'EngineFailed',
    match: {},
    blame: 'transient',
    retry: 'backoff',
    spendsBudget: true,
    summary: 'the engine died',
    advice: 'read the log tail',
    source: 'fallback',
  },
] as const satisfies readonly FailureRule[];

export type FailureReason = (typeof FAILURES)[number]['reason'];
export type Verdict = Omit<FailureRule, 'reason'> & { readonly reason: FailureReason };

export type End = {
  readonly end: EndWord;
  readonly exitCode: number | undefined;
  readonly signal: number | undefined;
  readonly slurm: string;
  readonly logTail: string | undefined;
};

export function classify(end: End): Verdict {
  const rules: readonly Verdict[] = FAILURES;
  const verdict = rules.find(({ match }) => matches(match, end));
  if (!verdict) throw new Error('the last rule matches everything');
  return verdict;
}

function matches(match: FailureRule['match'], end: End): boolean {
  return (
    (match.ends?.includes(end.end) ?? true) &&
    (match.exitCodes === undefined || (end.exitCode !== undefined && match.exitCodes.includes(end.exitCode))) &&
    (match.signals === undefined || (end.signal !== undefined && match.signals.includes(end.signal))) &&
    (match.slurm?.test(end.slurm) ?? true) &&
    (match.log === undefined || (end.logTail !== undefined && match.log.test(end.logTail)))
  );
}
