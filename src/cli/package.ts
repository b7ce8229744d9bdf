import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Unbuilt this file is `src/cli/package.ts`, built `dist/cli/package.js`: either way the package is two up. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** `.ts` unbuilt, `.js` built. */
const EXTENSION = path.extname(fileURLToPath(import.meta.url));

export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { readonly version: string };
  return version;
}

/** What runs on the compute nodes: constant, read once. */
export function serveScript(): string {
  return readFileSync(path.join(ROOT, 'config', 'launch', 'serve.sh'), 'utf8');
}

/** What `doctor --job` runs on a compute node. */
export function doctorScript(): string {
  return readFileSync(path.join(ROOT, 'config', 'launch', 'doctor.sh'), 'utf8');
}

/** What runs SLURM's commands on another machine. */
export function farShellProgram(): string {
  return readFileSync(path.join(ROOT, 'config', 'ssh', 'far-shell.sh'), 'utf8');
}

/** argv of the bundled stand-in engine: this very Node.js, and a script of this package. */
export function standInCommand(): readonly string[] {
  return [process.execPath, fileURLToPath(new URL(`../standin/stand-in${EXTENSION}`, import.meta.url))];
}

/** Directory of the presets that come with the operator. */
export function bundledCatalog(): string {
  return path.join(ROOT, 'config', 'catalog');
}

/** Directory of the deployments `trial` begins with. */
export function trialSamples(): string {
  return path.join(ROOT, 'config', 'samples', 'trial');
}
