/**
 * Why a job is not running, in a sentence with the next step. First match wins, the last matches all.
 * Source: squeue(1) JOB REASON CODES; recorded `%r` texts.
 */
type Explanation = {
  readonly match: RegExp;
  /** Waiting alone will not end it. */
  readonly forever: boolean;
  readonly text: string;
};

const EXPLANATIONS: readonly Explanation[] = [
  { match: /^(None|null|)$/, forever: false, text: 'SLURM has not looked at the job yet.' },
  { match: /^Priority$/, forever: false, text: 'Jobs of higher priority are ahead in the queue.' },
  {
    match: /^Resources$/,
    forever: false,
    text: 'The nodes and GPUs it asks for are in use; it starts when they are free.',
  },
  {
    match: /^BeginTime$/,
    forever: false,
    text: 'SLURM starts it at a set time, after a requeue about two minutes later.',
  },
  {
    match: /^Dependency$/,
    forever: false,
    text: 'An earlier job of the same name is still running; it starts when that one ends.',
  },
  {
    match: /^DependencyNeverSatisfied$/,
    forever: true,
    text: 'It depends on a job that can no longer end well; the site must have added that dependency.',
  },
  { match: /^JobHeldUser$/, forever: true, text: 'It is held by its user: `scontrol release` lets it start.' },
  {
    match: /^JobHeldAdmin$|^job requeued in held state/i,
    forever: true,
    text: 'It is held by an administrator; ask them why.',
  },
  {
    match: /^PartitionTimeLimit$/,
    forever: true,
    text: 'It asks for more time than the partition allows. Set spec.slurm.time lower or spec.slurm.partitions to another.',
  },
  {
    match: /^PartitionNodeLimit$/,
    forever: true,
    text: 'It asks for more nodes than the partition allows. Set spec.resources.nodes lower or spec.slurm.partitions to another.',
  },
  {
    match: /^PartitionDown$|^PartitionInactive$/,
    forever: true,
    text: 'The partition is closed. Set spec.slurm.partitions to another, or wait for an administrator to open it.',
  },
  {
    match: /^(BadConstraints|NodeConfigUnavailable)|Requested node configuration is not available/i,
    forever: true,
    text: 'No node has what it asks for. Check spec.resources and spec.slurm.constraint against `sinfo -o "%N %G %f"`.',
  },
  {
    match: /^AccountNotAllowed|^InvalidAccount/,
    forever: true,
    text: 'The account may not run it. Set spec.slurm.account to one of yours.',
  },
  {
    match: /^InvalidQOS$/,
    forever: true,
    text: 'The QOS does not exist or is not yours. Set spec.slurm.qos to one of yours.',
  },
  { match: /^ReservationDeleted$|^Reservation$/, forever: false, text: 'It waits for its reservation.' },
  {
    match: /^(QOS|Assoc).*(PerJob|Max.*PerJob|TimeLimit|WallDurationPerJob)/,
    forever: true,
    text: 'One job asks for more than the QOS or account allows. Set spec.resources or spec.slurm.time lower, or another spec.slurm.qos.',
  },
  {
    match: /^(QOSGrp|AssocGrp|QOSMax|AssocMax|MaxJobs|(Association|QOS)(Job|Resource)Limit)/,
    forever: false,
    text: 'The QOS or account is at its limit; it starts when other jobs of it end.',
  },
  {
    match: /^ReqNodeNotAvail/,
    forever: true,
    text: 'Nodes it must have are not available (down, drained or reserved). Check spec.slurm.nodelist, spec.slurm.exclude and status.excludedNodes.',
  },
  {
    match: /DOWN, DRAINED|^NodeDown/i,
    forever: true,
    text: 'The nodes it needs are down, drained or reserved. It starts when an administrator brings them back.',
  },
  { match: /^Licenses$/, forever: false, text: 'It waits for a licence.' },
  { match: /^(Cleaning|Prolog)$/, forever: false, text: 'SLURM prepares its nodes.' },
  {
    match: /^launch failed requeued held/i,
    forever: true,
    text: 'It could not be launched and is held; an administrator must look at its node.',
  },
  { match: /(?:)/, forever: false, text: 'SLURM gives this reason; see squeue(1) JOB REASON CODES.' },
];

export type PendingReason = { readonly reason: string; readonly text: string; readonly forever: boolean };

/** @param reason as squeue's `%r` prints it, without brackets */
export function explain(reason: string): PendingReason {
  const word = reason.replace(/^\((.*)\)$/s, '$1');
  const row = EXPLANATIONS.find((candidate) => candidate.match.test(word));
  return { reason: word, text: row?.text ?? '', forever: row?.forever ?? false };
}
