import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

export type Programs = { readonly etcd: string; readonly apiServer: string; readonly kubectl: string };

const BUILD_SH = fileURLToPath(new URL('./assets/build.sh', import.meta.url));
/** Of a build on a busy machine, with everything to download first. */
const BUILD_MS = 45 * 60_000;

/** @returns the reason to skip; undefined where the programs are or can be built, and in CI */
export function whyNoPrograms(): string | undefined {
  if (process.env.CI || process.env.KUBEBUILDER_ASSETS || onPath('go') !== undefined) return undefined;
  return BUILT.every((program) => existsSync(join(cached(), program)))
    ? undefined
    : 'a Kubernetes bed needs KUBEBUILDER_ASSETS, or Go to build kube-apiserver and etcd with';
}

/** Those of `KUBEBUILDER_ASSETS`, as envtest's users know it; else built once into the cache of this user. */
export async function findPrograms(): Promise<Programs> {
  const assets = process.env.KUBEBUILDER_ASSETS;
  if (assets) return programsIn(assets, join(assets, 'kubectl'));
  const directory = cached();
  const kubectl = onPath('kubectl');
  const wanted = [...BUILT, ...(kubectl === undefined ? ['kubectl'] : [])];
  if (!wanted.every((program) => existsSync(join(directory, program)))) {
    process.stderr.write(`building ${wanted.join(', ')} into ${directory}, once; this takes minutes\n`);
    await execa(BUILD_SH, [directory, ...wanted], { timeout: BUILD_MS, stdin: 'ignore' });
  }
  return programsIn(directory, kubectl ?? join(directory, 'kubectl'));
}

const BUILT = ['etcd', 'kube-apiserver'];

function programsIn(directory: string, kubectl: string): Programs {
  return { etcd: join(directory, 'etcd'), apiServer: join(directory, 'kube-apiserver'), kubectl };
}

function cached(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'vllm-slurm-operator', 'kube');
}

function onPath(program: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((directory) => join(directory, program))
    .find((file) => existsSync(file));
}
