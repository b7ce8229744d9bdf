/** Why SLURM keeps jobs waiting: one row for all the codes that mean the same to a person. */
export type PendingReasonRow = {
  /** As `%r` begins with them, `*` for any letters. The first is the row's heading on the troubleshooting page. */
  readonly codes: readonly [string, ...string[]];
  /** Waiting alone will not end it. */
  readonly forever: boolean;
  readonly meaning: string;
  /** What the person can do, in the resource's own fields. */
  readonly advice?: string;
};

const OF_THE_QUEUE = [
  {
    codes: ['None', 'null', '', 'WaitingForScheduling'],
    forever: false,
    meaning: 'SLURM has not looked at the job yet.',
  },
  {
    codes: ['Priority'],
    forever: false,
    meaning: 'Jobs of higher priority are ahead in the queue.',
    advice: 'A shorter spec.slurm.time lets it fit into gaps before them.',
  },
  {
    codes: ['Resources'],
    forever: false,
    meaning: 'The nodes and GPUs it asks for are in use; it starts when they are free.',
  },
  {
    codes: ['BeginTime'],
    forever: false,
    meaning: 'SLURM starts it at a set time, after a requeue about two minutes later.',
  },
  {
    codes: ['Dependency'],
    forever: false,
    meaning: 'An earlier job of the same name is still running; it starts when that one ends.',
  },
  {
    codes: ['DependencyNeverSatisfied'],
    forever: true,
    meaning: 'It depends on a job that can no longer end well; the site must have added that dependency.',
  },
  {
    codes: ['SchedDefer'],
    forever: false,
    meaning: 'The site starts no job the moment it arrives; SLURM looks at it later.',
  },
  {
    codes: ['FedJobLock'],
    forever: false,
    meaning: 'The clusters of the federation have not agreed yet which of them starts it.',
  },
  { codes: ['JobArrayTaskLimit'], forever: false, meaning: 'Its job array runs as many tasks at a time as it may.' },
  {
    codes: ['JobHeldUser'],
    forever: true,
    meaning: 'It is held by its user.',
    advice: '`scontrol release` lets it start.',
  },
  {
    codes: ['JobHeldAdmin', 'job requeued in held state'],
    forever: true,
    meaning: 'It is held by an administrator.',
    advice: 'Ask them why.',
  },
  {
    codes: ['JobHoldMaxRequeue'],
    forever: true,
    meaning: 'It could not be started so often that SLURM holds it; an administrator must look at its nodes.',
    advice: 'Cancel it with `scancel`, and the operator submits the next attempt.',
  },
  {
    codes: ['JobLaunchFailure', 'launch failed requeued held'],
    forever: true,
    meaning: 'It could not be launched and is held; an administrator must look at its node.',
    advice: 'Cancel it with `scancel`, and the operator submits the next attempt.',
  },
  {
    codes: ['NonZeroExitCode', 'RaisedSignal', 'TimeLimit', 'OutOfMemory', 'InactiveLimit'],
    forever: false,
    meaning: 'It ran before and ended so; somebody or something of the site has put it back into the queue.',
  },
  {
    codes: ['DeadLine'],
    forever: true,
    meaning: 'It cannot end before the deadline it was given; SLURM is about to remove it.',
  },
] as const satisfies readonly PendingReasonRow[];

const OF_THE_PARTITION = [
  {
    codes: ['PartitionTimeLimit'],
    forever: true,
    meaning: 'It asks for more time than the partition allows.',
    advice: 'Set spec.slurm.time lower or spec.slurm.partitions to another.',
  },
  {
    codes: ['PartitionNodeLimit'],
    forever: true,
    meaning: 'It asks for more nodes than the partition allows, or those it must have are down.',
    advice: 'Set spec.resources.nodes lower or spec.slurm.partitions to another.',
  },
  {
    codes: ['PartitionDown', 'PartitionInactive'],
    forever: true,
    meaning: 'The partition is closed.',
    advice: 'Set spec.slurm.partitions to another, or wait for an administrator to open it.',
  },
  {
    codes: ['PartitionConfig'],
    forever: true,
    meaning: 'It is against a limit of the partition.',
    advice:
      'Compare spec.slurm and spec.resources with `scontrol show partition`, or set spec.slurm.partitions to another.',
  },
  {
    codes: ['AccountNotAllowed', 'InvalidAccount'],
    forever: true,
    meaning: 'The account may not run it.',
    advice:
      'Set spec.slurm.account to one of yours: `sacctmgr show associations user=$USER format=account,partition,qos`.',
  },
  {
    codes: ['InvalidQOS', 'QOSNotAllowed'],
    forever: true,
    meaning: 'The QOS does not exist, is not yours, or may not be used in that partition.',
    advice: 'Set spec.slurm.qos to one of yours: `sacctmgr show associations user=$USER format=account,partition,qos`.',
  },
  {
    codes: ['Reservation'],
    forever: false,
    meaning: 'It waits for its reservation to begin, or to have room.',
    advice: '`scontrol show reservation` tells when.',
  },
  {
    codes: ['ReservationDeleted', 'ReservationInvalid'],
    forever: true,
    meaning: 'Its reservation does not exist any more.',
    advice: 'Take out spec.slurm.reservation, or name another.',
  },
] as const satisfies readonly PendingReasonRow[];

const OF_LIMITS = [
  {
    codes: ['MaxMemPerLimit'],
    forever: true,
    meaning: 'It asks for more memory a CPU or node than the partition allows.',
    advice: 'Set spec.resources.memory or spec.resources.memoryPerGpu lower.',
  },
  {
    codes: [
      'QOSMaxWallDurationPerJobLimit',
      'QOSMax*PerJob*',
      'QOSMax*PerNode*',
      'AssocMax*PerJob*',
      'AssocMax*PerNode*',
    ],
    forever: true,
    meaning: 'One job asks for more than the QOS or account allows.',
    advice: 'Set spec.resources or spec.slurm.time lower, or another spec.slurm.qos.',
  },
  {
    codes: ['QOSMinGRES', 'QOSMin*'],
    forever: true,
    meaning: 'It asks for less than a job of this QOS must.',
    advice: 'Set spec.slurm.qos to one for smaller jobs.',
  },
  {
    codes: ['AssocGrpGRESRunMinutes', 'AssocGrp*RunMin*', 'QOSGrp*RunMin*'],
    forever: false,
    meaning:
      'The running jobs of the QOS or account may still use as much time as they may together; it starts when that is less.',
    advice: 'A shorter spec.slurm.time asks for less of it.',
  },
  {
    codes: [
      'AssocGrpGRESMinutes',
      'AssocGrp*Minutes*',
      'QOSGrp*Minutes*',
      'AssocGrpWallLimit',
      'QOSGrpWallLimit',
      'AssociationTimeLimit',
      'QOSTimeLimit',
    ],
    forever: true,
    meaning: 'The compute time granted to the QOS or account is used up, or too little is left for spec.slurm.time.',
    advice: 'Set spec.slurm.account or spec.slurm.qos to one with time left, or ask who manages the project for more.',
  },
  {
    codes: ['QOSUsageThreshold'],
    forever: true,
    meaning: 'The account has used more than this QOS lets it.',
    advice: 'Set spec.slurm.qos to another, or wait until the usage has aged.',
  },
  {
    codes: [
      'QOSMaxJobsPerUserLimit',
      'QOSMax*',
      'QOSGrp*',
      'QOSJobLimit',
      'QOSResourceLimit',
      'AssocMax*',
      'AssocGrp*',
      'AssociationJobLimit',
      'AssociationResourceLimit',
      'MaxJobs*',
      'Max*PerAccount',
      'AccountingPolicy',
    ],
    forever: false,
    meaning: 'The QOS or account is at its limit; it starts when other jobs of it end.',
    advice: 'If none run, it asks for more than the limit alone: set spec.resources lower, or another spec.slurm.qos.',
  },
] as const satisfies readonly PendingReasonRow[];

const OF_THE_NODES = [
  {
    codes: ['BadConstraints', 'NodeConfigUnavailable', 'Requested node configuration is not available'],
    forever: true,
    meaning: 'No node has what it asks for.',
    advice: 'Check spec.resources and spec.slurm.constraint against `sinfo -o "%N %G %f"`.',
  },
  {
    codes: ['Constraints'],
    forever: false,
    meaning: 'No node that is up has what spec.slurm.constraint asks for.',
    advice: 'Check it against `sinfo -o "%N %T %f"`.',
  },
  {
    codes: ['ReqNodeNotAvail'],
    forever: true,
    meaning: 'Nodes it must have are not available (down, drained or reserved).',
    advice:
      'Check spec.slurm.nodelist, spec.slurm.exclude and status.excludedNodes; `sinfo -R` and `scontrol show reservation` tell why.',
  },
  {
    codes: ['NodeDown', 'FrontEndDown', 'Nodes required for job are DOWN'],
    forever: true,
    meaning: 'The nodes it needs are down, drained or reserved. It starts when an administrator brings them back.',
    advice: '`sinfo -R` tells why they are away.',
  },
  { codes: ['MaxPoweredUpNodes'], forever: false, meaning: 'As many nodes are switched on as the site allows.' },
  {
    codes: ['PowerNotAvail', 'PowerReserved'],
    forever: false,
    meaning: 'The site has too little power for it now, or keeps it for a reservation.',
  },
  {
    codes: ['Licenses'],
    forever: false,
    meaning: 'It waits for a licence.',
    advice: '`scontrol show licenses` tells how many are free; spec.slurm.licenses is what it asks for.',
  },
  {
    codes: ['BurstBufferResources', 'BurstBufferStageIn'],
    forever: false,
    meaning: 'Its burst buffer is being made ready.',
  },
  {
    codes: ['BurstBufferOperation'],
    forever: true,
    meaning: 'Its burst buffer could not be made ready; an administrator must look at it.',
  },
  { codes: ['MpiPortsBusy'], forever: false, meaning: 'The ports its nodes keep for job steps are in use.' },
  {
    codes: ['Cleaning'],
    forever: false,
    meaning: 'SLURM still cleans up after its earlier run, then prepares its nodes.',
  },
  { codes: ['Prolog'], forever: false, meaning: 'SLURM prepares its nodes.' },
  {
    codes: ['SystemFailure'],
    forever: true,
    meaning: 'SLURM itself, or a file system or network under it, failed.',
    advice: 'Tell the administrators.',
  },
] as const satisfies readonly PendingReasonRow[];

/**
 * First match wins.
 * Source: SLURM's page of job reason codes and squeue(1), 22.05 to 26.05; recorded `%r` texts.
 */
export const PENDING_REASONS: readonly PendingReasonRow[] = [
  ...OF_THE_QUEUE,
  ...OF_THE_PARTITION,
  ...OF_LIMITS,
  ...OF_THE_NODES,
];
