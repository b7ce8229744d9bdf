import type { Resource } from '../api/resource.ts';
import { eachCluster, type Settings } from '../config.ts';
import { err, ok, type Result } from '../result.ts';
import type { Cli } from './cli.ts';
import { type Cluster, openSlurm } from './compose.ts';

/** One of the clusters, with the settings as they are for it. */
export type OpenCluster = { readonly settings: Settings; readonly slurm: Cluster };

/** All of them, the default first. @returns an error in words when one cannot be had; then none is open */
export async function openClusters(cli: Cli, settings: Settings): Promise<Result<readonly OpenCluster[], string>> {
  const opened: OpenCluster[] = [];
  for (const its of eachCluster(settings)) {
    const slurm = await openSlurm(cli, its);
    if (!slurm.ok) {
      await closeClusters(opened);
      return err(its.cluster.name === undefined ? slurm.error : `cluster ${its.cluster.name}: ${slurm.error}`);
    }
    opened.push({ settings: its, slurm: slurm.value });
  }
  return ok(opened);
}

export async function closeClusters(clusters: readonly OpenCluster[]): Promise<void> {
  await Promise.all(clusters.map(({ slurm }) => slurm.close()));
}

/** As they are for the cluster a deployment is on, or will be placed on. */
export function settingsOf(
  settings: Settings,
  { spec, status }: Pick<Resource, 'spec'> & Partial<Pick<Resource, 'status'>>,
): Settings {
  const all = eachCluster(settings);
  const name = status?.cluster ?? spec?.slurm.cluster ?? spec?.slurm.places?.[0]?.cluster;
  return all.find(({ cluster }) => cluster.name === name) ?? all[0] ?? settings;
}
