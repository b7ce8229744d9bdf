import { setFlagsFromString } from 'node:v8';

/**
 * Has V8 collect early instead of letting memory grow: an operator allocates little and lives long, on a login node or
 * beside others. With 1,000 deployments it is 138 MiB instead of 245. Imported before all else, for most of what the
 * nursery ever grows to it grows to while modules are loaded, and what it once had is not given back.
 */

// The nursery stays at its first size; by default it doubles up to 32 MiB, three times over.
setFlagsFromString('--semi-space-growth-factor=1');
// A full collection when the heap is a quarter above what the last one left; by default up to four times that.
setFlagsFromString('--heap-growing-percent=25');
