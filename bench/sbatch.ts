import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import type { Submission } from '../src/slurm/slurm.ts';

/** As bare as can be: an sbatch, the script on its stdin. @returns the job's id */
export async function sbatch({ name, script }: Submission): Promise<string> {
  const child = spawn('sbatch', ['--parsable', `--job-name=${name}`], { cwd: '/', stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  child.stdin.end(script);
  const [said, code] = await Promise.all([text(child.stdout), ended]);
  if (code !== 0) throw new Error(`sbatch of ${name} exited with ${code}`);
  return said.trim();
}
