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
  if (process.env.CI || process.env.KUBEBUILDER_ASSETS || hasGo()) return undefined;
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
    await execa(BUILD_SH, [directory, ...wanted], { env: { PATH: WITH_GO }, timeout: BUILD_MS, stdin: 'ignore' });
  }
  return programsIn(directory, kubectl ?? join(directory, 'kubectl'));
}

/** Not of the control plane, and its versions are its own. */
const HELM = 'helm.sh/helm/v3/cmd/helm@v3.21.4';

/** The one on PATH; else built once into the cache of this user. */
export async function findHelm(): Promise<string> {
  const file = onPath('helm') ?? join(cached(), 'helm');
  if (existsSync(file)) return file;
  process.stderr.write(`building ${HELM} into ${cached()}, once; this takes minutes\n`);
  await go(['install', '-trimpath', '-ldflags=-s -w', HELM], { GOBIN: cached() });
  return file;
}

/** A program of our own in Go, from its folder into the cache; what has not changed since is not built again. */
export async function buildInCache(name: string, source: string): Promise<string> {
  const file = join(cached(), name);
  await go(['build', '-C', source, '-trimpath', '-ldflags=-s -w', '-o', file, '.']);
  return file;
}

/** Answers with stdout. */
export async function go(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { stdout } = await execa('go', args, {
    env: { PATH: WITH_GO, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false', ...env },
    timeout: BUILD_MS,
    stdin: 'ignore',
  });
  return stdout;
}

export const hasGo = (): boolean => onPath('go') !== undefined;

/** Go's own installer leaves PATH to its user. */
const WITH_GO = [process.env.PATH ?? '', '/usr/local/go/bin'].join(delimiter);
const BUILT = ['etcd', 'kube-apiserver'];

function programsIn(directory: string, kubectl: string): Programs {
  return { etcd: join(directory, 'etcd'), apiServer: join(directory, 'kube-apiserver'), kubectl };
}

function cached(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'vllm-slurm-operator', 'kube');
}

function onPath(program: string): string | undefined {
  return WITH_GO.split(delimiter)
    .map((directory) => join(directory, program))
    .find((file) => existsSync(file));
}
