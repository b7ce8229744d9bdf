import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Clock } from '../../clock.ts';
import type { Result } from '../../result.ts';
import type { Credentials, Slurm } from '../../slurm/slurm.ts';

const CALL_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60];

/** @returns the same port, its calls timed and its listings counted */
export function slurmMetrics(registers: Registry[], clock: Clock): (slurm: Slurm) => Slurm {
  const durations = new Histogram({
    name: 'vllm_slurm_call_duration_seconds',
    help: 'Of calls to SLURM, by call and result.',
    labelNames: ['cluster', 'call', 'result'],
    buckets: CALL_SECONDS,
    registers,
  });
  const submissions = new Counter({
    name: 'vllm_slurm_submissions_total',
    help: 'Submissions by result; `unknown` may have landed.',
    labelNames: ['cluster', 'result'],
    registers,
  });
  const jobs = new Gauge({
    name: 'vllm_slurm_jobs',
    help: 'Jobs in the last complete listing, by state.',
    labelNames: ['cluster', 'state'],
    registers,
  });
  const listedBytes = new Map<string, number>();
  new Gauge({
    name: 'vllm_slurm_listing_bytes',
    help: 'Read for the last complete listing; absent where nothing is sent over.',
    labelNames: ['cluster'],
    registers,
    collect() {
      for (const [cluster, bytes] of listedBytes) this.set({ cluster }, bytes);
    },
  });
  const credentialsEndMs = new Map<string, number>();
  new Gauge({
    name: 'vllm_slurm_credentials_end_timestamp_seconds',
    help: 'When the token SLURM knows the operator by ends; absent where there is none, or it has no end.',
    labelNames: ['cluster'],
    registers,
    collect() {
      this.reset();
      for (const [cluster, endMs] of credentialsEndMs) this.set({ cluster }, endMs / 1000);
    },
  });
  const listedMs = new Map<string, number>();
  new Gauge({
    name: 'vllm_slurm_listing_age_seconds',
    help: 'Since the last complete listing; absent before the first.',
    labelNames: ['cluster'],
    registers,
    collect() {
      for (const [cluster, atMs] of listedMs) this.set({ cluster }, Math.max(0, clock.now() - atMs) / 1000);
    },
  });
  return (slurm) => {
    const { cluster, listJobsAs } = slurm;
    let told: ReadonlySet<string> = new Set();
    const timed = async <T, E extends { readonly kind: string }>(call: string, ask: () => Promise<Result<T, E>>) => {
      const beganMs = clock.now();
      const answer = await ask();
      const result = answer.ok ? 'ok' : answer.error.kind;
      durations.observe({ cluster, call, result }, Math.max(0, clock.now() - beganMs) / 1000);
      return answer;
    };
    return {
      ...slurm,
      async listJobs() {
        const listing = await timed('listJobs', () => slurm.listJobs());
        if (!listing.ok) return listing;
        listedMs.set(cluster, listing.value.askedAtMs);
        for (const state of told) jobs.remove({ cluster, state });
        told = new Set(listing.value.jobs.map(({ state }) => state));
        for (const { state } of listing.value.jobs) jobs.inc({ cluster, state });
        const { credentialsEndMs: endMs } = listing.value;
        if (endMs === undefined) credentialsEndMs.delete(cluster);
        else credentialsEndMs.set(cluster, endMs);
        if (listing.value.bytes !== undefined) listedBytes.set(cluster, listing.value.bytes);
        return listing;
      },
      ...(listJobsAs && {
        listJobsAs: (credentials: Credentials) => timed('listJobsAs', () => listJobsAs(credentials)),
      }),
      describe: (refs) => timed('describe', () => slurm.describe(refs)),
      history: (names, sinceMs) => timed('history', () => slurm.history(names, sinceMs)),
      async submit(submission) {
        const answer = await timed('submit', () => slurm.submit(submission));
        submissions.inc({ cluster, result: answer.ok ? 'ok' : answer.error.kind });
        return answer;
      },
      cancel: (ref) => timed('cancel', () => slurm.cancel(ref)),
      nodes: () => timed('nodes', () => slurm.nodes()),
    };
  };
}
