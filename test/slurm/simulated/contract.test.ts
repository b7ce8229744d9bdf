import { simulated } from '../../contract/simulated.ts';
import { slurmContract } from '../../contract/slurm.ts';

slurmContract('simulated', simulated);
