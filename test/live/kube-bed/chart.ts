import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { parseAllDocuments } from 'yaml';
import type { KubeBed } from './bed.ts';
import { findHelm } from './programs.ts';

const CHART = fileURLToPath(new URL('../../../helm', import.meta.url));

export type KubeObject = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
};

export type Helm = {
  /** Answers with stdout; throws with stderr when it fails. The chart's path stands for `CHART`. */
  run(...args: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }>;
  /** What `helm template` makes of these values. */
  template(...args: readonly string[]): Promise<readonly KubeObject[]>;
};

export async function helmAt(bed: KubeBed): Promise<Helm> {
  const program = await findHelm();
  const env = { KUBECONFIG: await bed.kubeconfig('helm.kubeconfig'), HOME: bed.directory, HELM_NO_PLUGINS: '1' };
  async function run(...args: readonly string[]): ReturnType<Helm['run']> {
    const words = args.map((word) => (word === 'CHART' ? CHART : word));
    const { stdout, stderr } = await execa(program, words, { env, timeout: 120_000, stdin: 'ignore' });
    return { stdout, stderr };
  }
  return {
    run,
    async template(...args) {
      const release = ['template', 'vllm-slurm-operator', 'CHART', '--namespace=vllm-slurm-system'];
      return objectsIn((await run(...release, '--kube-version=1.36.0', ...args)).stdout);
    },
  };
}

export function objectsIn(yaml: string): readonly KubeObject[] {
  return parseAllDocuments(yaml)
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null);
}

/** Each right of the operator's own roles, as the audit log names what was asked for. */
export function grantedBy(objects: readonly KubeObject[]): readonly string[] {
  const own = objects.filter(({ kind, metadata }) => /Role$/.test(kind) && /^vllm-slurm-operator/.test(metadata.name));
  const rules = own.flatMap(({ rules }) => rules as readonly Rule[]);
  const rights = rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group === '' ? '' : `${group}/`}${resource}`)),
    ),
  );
  return [...new Set(rights)].sort();
}

type Rule = {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
};

/** What every chart says of itself, and what kustomize has no need of. */
const OF_HELM = [
  'app.kubernetes.io/instance',
  'app.kubernetes.io/version',
  'app.kubernetes.io/managed-by',
  'helm.sh/chart',
  'helm.sh/resource-policy',
  'checksum/config',
];

/** An object without what is in the nature of the tool that made it, by kind and name. */
export function substanceOf(objects: readonly KubeObject[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    objects
      .map((object) =>
        JSON.parse(JSON.stringify(object).replaceAll(/(vllm-slurm-operator-config)-[a-z0-9]{10}\b/g, '$1')),
      )
      .map((object: KubeObject) => [`${object.kind} ${object.metadata.name}`, withoutEmpty(withData(object))]),
  );
}

/** Settings are compared as what they say, not as text. */
function withData(object: KubeObject): unknown {
  if (object.kind !== 'ConfigMap') return object;
  const data = object.data as Readonly<Record<string, string>>;
  const { apiVersion, kind, metadata } = object;
  const { name, namespace } = metadata;
  const read = Object.entries(data).map(([file, text]) => [file, parseAllDocuments(text).map((one) => one.toJS())]);
  return { apiVersion, kind, metadata: { name, namespace }, data: Object.fromEntries(read) };
}

function withoutEmpty(at: unknown): unknown {
  if (Array.isArray(at)) return at.map(withoutEmpty).toSorted(byName);
  if (typeof at !== 'object' || at === null) return at;
  return Object.fromEntries(
    Object.entries(at)
      .filter(([name]) => !OF_HELM.includes(name))
      .map(([name, member]) => [name, withoutEmpty(member)] as const)
      .filter(([name, member]) => !isEmpty(member) || ['emptyDir'].includes(name)),
  );
}

/** Lists of named things are sets; any other keeps its order. */
function byName(a: unknown, b: unknown): number {
  const [one, other] = [a, b].map((item) => (item as { readonly name?: unknown } | null)?.name);
  return typeof one === 'string' && typeof other === 'string' ? one.localeCompare(other) : 0;
}

const isEmpty = (at: unknown): boolean => typeof at === 'object' && at !== null && Object.keys(at).length === 0;
