import type { ReplicaRecord } from '../api/status.ts';
import { jobName } from '../slurm/identity.ts';
import type { Observation, SlurmView } from './observation.ts';

/** @returns epoch ms; a view from later than that shows the attempt's job, if there ever is one */
export function landsBy({ resource, policy }: Observation, view: SlurmView, record: ReplicaRecord): number {
  const doubtMs = Date.parse(record.doubtUntil ?? '') || 0;
  const submitMs = Date.parse(record.submitTime ?? '') || 0;
  const name = jobName({ ...resource.key, replica: record.replica, attempt: record.attempt });
  const isAwaited = record.jobId !== undefined && !view.jobs.some((job) => job.name === name);
  // A listing may be older than it says, and lack the job that was acknowledged just before.
  return Math.max(doubtMs, submitMs + (isAwaited ? policy.vanishedGraceMs : 0));
}
