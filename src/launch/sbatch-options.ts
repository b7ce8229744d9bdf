/**
 * sbatch options that may not stand in `spec.slurm.extraArgs`, and what to do instead. What is not here is passed on:
 * sites add options of their own by plugins. Source: sbatch(1).
 */
const REFUSED: readonly { readonly why: string; readonly options: readonly string[] }[] = [
  { why: 'it would be a job of somebody else', options: ['uid', 'gid'] },
  { why: 'the operator writes the script', options: ['wrap', 'input', 'ignore-pbs'] },
  {
    why: 'the operator knows its jobs and their logs by it',
    options: ['job-name', 'comment', 'output', 'error', 'open-mode', 'chdir'],
  },
  {
    why: 'the operator decides what the job inherits: set spec.engine.env',
    options: ['export', 'export-file', 'get-user-env'],
  },
  { why: 'the operator keeps attempts apart by it', options: ['dependency', 'kill-on-invalid-dep'] },
  { why: 'the operator submits a new attempt instead', options: ['requeue', 'no-requeue', 'no-kill'] },
  { why: 'set spec.replicas', options: ['array'] },
  { why: 'set spec.suspend', options: ['hold'] },
  { why: 'the operator warns the job itself, before spec.slurm.time runs out', options: ['signal'] },
  { why: 'the operator reads what sbatch prints', options: ['parsable', 'quiet', 'verbose', 'test-only', 'wait'] },
  { why: 'sbatch would print and submit nothing', options: ['help', 'usage', 'version'] },
  { why: 'the operator submits to its own cluster', options: ['clusters', 'cluster-constraint'] },
  { why: 'it restarts nodes', options: ['reboot'] },
  { why: 'it would read a file on the operator’s machine', options: ['bbf'] },
  { why: 'set spec.resources.nodes', options: ['nodes', 'use-min-nodes'] },
  {
    why: 'each node has one task',
    options: ['ntasks', 'ntasks-per-node', 'ntasks-per-gpu', 'ntasks-per-core', 'ntasks-per-socket'],
  },
  {
    why: 'set spec.resources.gpusPerNode and spec.resources.gpuType',
    options: ['gres', 'gpus', 'gpus-per-node', 'gpus-per-task', 'gpus-per-socket', 'tres-per-task'],
  },
  { why: 'set spec.resources.cpusPerTask', options: ['cpus-per-task', 'cpus-per-gpu'] },
  { why: 'set spec.resources.memory', options: ['mem', 'mem-per-cpu'] },
  { why: 'set spec.resources.memoryPerGpu', options: ['mem-per-gpu'] },
  { why: 'set spec.slurm.account', options: ['account'] },
  { why: 'set spec.slurm.partitions', options: ['partition'] },
  { why: 'set spec.slurm.qos', options: ['qos'] },
  { why: 'set spec.slurm.time', options: ['time', 'time-min'] },
  { why: 'set spec.slurm.reservation', options: ['reservation'] },
  { why: 'set spec.slurm.constraint', options: ['constraint'] },
  { why: 'set spec.slurm.exclude', options: ['exclude'] },
  { why: 'set spec.slurm.nodelist', options: ['nodelist', 'nodefile'] },
  { why: 'set spec.slurm.licenses', options: ['licenses'] },
];

const REFUSED_OPTIONS = REFUSED.flatMap(({ why, options }) => options.map((name) => ({ name, why })));

/**
 * Why `spec.slurm.extraArgs` may not hold this option; undefined when it may.
 * sbatch takes any beginning of an option for the whole: `--wra=x` is `--wrap=x`.
 */
export function whyNoSbatchOption(option: string): string | undefined {
  const name = option.replace(/^--/, '').split('=', 1)[0] ?? '';
  const refused =
    REFUSED_OPTIONS.find((one) => one.name === name) ?? REFUSED_OPTIONS.find((one) => one.name.startsWith(name));
  if (!refused) return undefined;
  return refused.name === name ? refused.why : `stands for --${refused.name}: ${refused.why}`;
}
