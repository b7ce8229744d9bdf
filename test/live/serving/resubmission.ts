import type { NodeBed } from '../node-bed/bed.ts';
import { until } from '../operator/until.ts';

export type QueuedJob = {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly nodes: readonly string[];
  readonly comment: string;
};

/** The jobs of a deployment that SLURM has on record, oldest first. */
export async function jobsOf(bed: NodeBed, deployment: string): Promise<readonly QueuedJob[]> {
  const text = await bed.run('squeue', '-h', '-t', 'all', '-S', 'i', '-o', '%A|%j|%T|%N|%k');
  return text
    .split('\n')
    .map((line) => {
      const [id = '', name = '', state = '', nodes = '', ...comment] = line.split('|');
      return { id, name, state, nodes: expand(nodes), comment: comment.join('|') };
    })
    .filter(({ name }) => name.startsWith(`vllm.default.${deployment}.`));
}

/**
 * Time from a fault to the new job, by the clock of the controller's own log.
 * @param oldJobId the job the fault was done to
 * @returns ms
 */
export async function faultToResubmit(
  bed: NodeBed,
  deployment: string,
  oldJobId: string,
  faultAtMs: number,
  deadlineMs: number,
): Promise<number> {
  const next = await until(
    `a job of ${deployment} after ${oldJobId}`,
    async () => (await jobsOf(bed, deployment)).find(({ id }) => Number(id) > Number(oldJobId)),
    deadlineMs,
  );
  const submission = (await bed.submissions()).find(({ jobId }) => jobId === next.id);
  if (!submission) throw new Error(`job ${next.id} is not in the controller's log`);
  return submission.atMs - faultAtMs;
}

/** `node[001-002,004]`: names of a bed have one bracket at most. */
function expand(list: string): readonly string[] {
  const bracket = /^(.*)\[(.*)\]$/.exec(list);
  if (!bracket) return list === '' ? [] : list.split(',');
  const [, prefix = '', ranges = ''] = bracket;
  return ranges.split(',').flatMap((range) => {
    const [first = '', last = first] = range.split('-');
    return Array.from(
      { length: Number(last) - Number(first) + 1 },
      (_, i) => `${prefix}${String(Number(first) + i).padStart(first.length, '0')}`,
    );
  });
}
