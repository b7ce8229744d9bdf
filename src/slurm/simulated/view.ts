import type { Job, JobEnding } from '../job.ts';
import { nodesOf, type SimJob } from './world.ts';

const seen = new WeakMap<SimJob, Job>();

/** As a listing shows it. A job that did not change is the same object each time. */
export function listed(job: SimJob): Job {
  const known = seen.get(job);
  if (known) return known;
  const view = { ...head(job), ...body(job) } as const satisfies Job;
  seen.set(job, view);
  return view;
}

function head(job: SimJob) {
  const { id, name, user, partition, reason, comment, submitMs } = job;
  return { id, name, user, partition, reason, comment, submitMs, nodes: nodesOf(job) };
}

function body(job: SimJob) {
  const started = job.startMs === undefined ? {} : { startMs: job.startMs };
  switch (job.phase) {
    case 'pending':
      return { phase: 'pending', state: 'PENDING' } as const;
    case 'running':
      return { phase: 'running', state: 'RUNNING', startMs: job.startMs ?? 0 } as const;
    case 'completing':
      return { phase: 'completing', state: 'COMPLETING', ...started } as const;
    case 'ended':
      return { phase: 'ended', state: job.ending?.state ?? 'COMPLETED', endMs: job.endMs ?? 0, ...started } as const;
  }
}

/** As `scontrol show job` or `sacct` tells of an ended job; nothing for one that lives. */
export function endingOf(job: SimJob): readonly JobEnding[] {
  if (job.phase !== 'ended' || !job.ending) return [];
  return [
    {
      id: job.id,
      name: job.name,
      submitMs: job.submitMs,
      ...job.ending,
      nodes: nodesOf(job),
      ...(job.startMs !== undefined && { startMs: job.startMs }),
      endMs: job.endMs ?? 0,
    },
  ];
}
