import { delimiter } from 'node:path';
import { PARTITION, type StartedRecord } from './record.ts';

/** What the job inherits from the operator, and nothing else: its environment may hold secrets that are not the job's. */
const INHERITED =
  /^(HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|LD_LIBRARY_PATH|CUDA_HOME|HF_HOME|XDG_[A-Z_]+|(http|https|no)_proxy|(HTTP|HTTPS|NO)_PROXY|SSL_CERT_(FILE|DIR))$/;

/** Only what a job may see of the operator's own environment. */
export function inheritable(environment: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  const kept = Object.entries(environment).filter(([name]) => INHERITED.test(name) || name === 'PATH');
  return Object.fromEntries(kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

/** The variables Slurm gives to a batch script. Source: sbatch(1) OUTPUT ENVIRONMENT VARIABLES. */
export function jobEnvironment(
  record: StartedRecord,
  place: {
    /** What the job inherits. */
    readonly environment: Readonly<Record<string, string>>;
    /** Holds `scontrol` and `scancel`. */
    readonly binDirectory: string;
    readonly nodeName: string;
    readonly cluster: string;
    readonly workFolder: string;
    /** Granted slots are devices of this machine, in CUDA's order. */
    readonly gpusAreReal: boolean;
  },
): Readonly<Record<string, string>> {
  const gpus = record.gpus.join(',');
  const cpus = String(record.cpus);
  return {
    ...place.environment,
    PATH: `${place.binDirectory}${delimiter}${place.environment.PATH ?? '/usr/local/bin:/usr/bin:/bin'}`,
    SLURM_CLUSTER_NAME: place.cluster,
    SLURM_CPUS_ON_NODE: cpus,
    SLURM_CPUS_PER_TASK: cpus,
    SLURM_JOBID: record.id,
    SLURM_JOB_CPUS_PER_NODE: cpus,
    SLURM_JOB_ID: record.id,
    SLURM_JOB_NAME: record.name,
    SLURM_JOB_NODELIST: place.nodeName,
    SLURM_JOB_NUM_NODES: '1',
    SLURM_JOB_PARTITION: PARTITION,
    SLURM_JOB_START_TIME: String(Math.floor(record.startMs / 1000)),
    SLURM_JOB_USER: record.user,
    SLURM_LOCALID: '0',
    SLURM_NNODES: '1',
    SLURM_NODEID: '0',
    SLURM_NODELIST: place.nodeName,
    SLURM_NTASKS: '1',
    SLURM_PROCID: '0',
    SLURM_SUBMIT_DIR: place.workFolder,
    SLURMD_NODENAME: place.nodeName,
    ...(gpus !== '' && { SLURM_JOB_GPUS: gpus, SLURM_GPUS_ON_NODE: String(record.gpus.length) }),
    // As with constrained devices: a job that asked for no GPU sees none.
    ...(place.gpusAreReal && { CUDA_VISIBLE_DEVICES: gpus }),
  };
}
