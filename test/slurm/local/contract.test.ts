import { embedded } from '../../contract/embedded.ts';
import { slurmContract } from '../../contract/slurm.ts';

slurmContract('local', embedded);
