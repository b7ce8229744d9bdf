import type { Catalog } from '../api/catalog.ts';
import type { Hardware } from './fit.ts';

/** What the place gives every job, whatever its deployment says. Comes from `config/operator.yaml`. */
export type Site = {
  /** Absolute, on a file system the compute nodes share with the operator; exists before anything is submitted. */
  readonly logDirectory: string;
  /** Absolute, on a file system the compute nodes share: `<owner>/<file>` below it hold the attempts' secrets. */
  readonly secretDirectory: string;
  /** Ports an endpoint may use when its spec names none; both ends included. */
  readonly portRange: PortRange;
  /** Used where a spec leaves the field out. */
  readonly defaults: {
    readonly account?: string;
    readonly partitions: readonly string[];
    readonly qos?: string;
    readonly time?: string;
  };
  /** argv that starts the bundled stand-in engine on a compute node: an absolute Node.js and an absolute script. */
  readonly standInCommand: readonly string[];
  /** Models whose size is known, and the nodes they are to fit. Only warnings come of it. */
  readonly catalog?: Catalog;
  readonly hardware?: Hardware;
};

export type PortRange = { readonly low: number; readonly high: number };

/** Where a job writes: one file an attempt. `%j` in the `#SBATCH --output` line becomes the id. */
export function logPath(site: Pick<Site, 'logDirectory'>, jobName: string, jobId: string): string {
  return `${site.logDirectory}/${jobName}-${jobId}.log`;
}
