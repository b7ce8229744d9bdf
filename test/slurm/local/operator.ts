import { systemClock } from '../../../src/clock.ts';
import { createLocalCluster } from '../../../src/slurm/local/local.ts';

/** An operator to be killed: opens the directory given, submits one job, prints its id and stays until it is ended. */
const made = await createLocalCluster({ directory: process.argv[2] ?? '', clock: systemClock, gpus: 2, cpus: 8 });
if (!made.ok) throw new Error(made.error);
const name = 'vllm.a.b.r0.a1';
const script = `#!/bin/bash\n#SBATCH --job-name=${name}\necho $$ >pid; exec sleep 600\n`;
console.log(JSON.stringify(await made.value.submit({ name, script })));
setInterval(() => {}, 60_000);
