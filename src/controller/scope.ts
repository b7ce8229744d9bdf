import { ok } from '../result.ts';
import { readIdentity } from '../slurm/identity.ts';
import type { Slurm } from '../slurm/slurm.ts';

/**
 * The jobs of deployments in these namespaces alone. Another operator of the same Kubernetes cluster looks after the
 * others: their jobs carry the same owner, and are no orphans because we do not see their deployments.
 */
export function withinNamespaces(slurm: Slurm, namespaces: readonly string[]): Slurm {
  if (namespaces.length === 0) return slurm;
  return {
    ...slurm,
    async listJobs() {
      const listing = await slurm.listJobs();
      if (!listing.ok) return listing;
      const jobs = listing.value.jobs.filter((job) => {
        const identity = readIdentity(job);
        return identity === undefined || namespaces.includes(identity.namespace);
      });
      return ok({ ...listing.value, jobs });
    },
  };
}
