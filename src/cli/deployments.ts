import { type Command, Option } from 'commander';
import type { Catalog } from '../api/catalog.ts';
import { PLURAL, SINGULAR } from '../api/crd.ts';
import type { Key } from '../api/key.ts';
import { GROUP, type Resource } from '../api/resource.ts';
import type { Clock } from '../clock.ts';
import type { Settings } from '../config.ts';
import { didYouMean } from '../nearest.ts';
import { openDirectory, type Reader } from '../store/directory/reader.ts';
import type { StoreError } from '../store/store.ts';
import { type Cli, EXIT, fail, say } from './cli.ts';
import { withSettings } from './global-options.ts';
import { isServed } from './served.ts';

/** Looked for in a directory, everything would seem to be gone. */
const KUBECTL_DOES_IT =
  'the setting store is kubernetes: use kubectl for its deployments (kubectl get vllmd -A), or --set store=directory for a directory';

/** The directory as commands see it: with or without an operator at work. */
export type Deployments = Pick<Reader, 'get' | 'list' | 'setReplicas' | 'remove'> & {
  readonly settings: Settings;
  /** @returns the exit code */
  unreadable(error: StoreError): number;
};

export async function withDeployments(
  cli: Cli,
  command: Command,
  use: (deployments: Deployments) => Promise<number>,
): Promise<number> {
  return withSettings(cli, command, async ({ settings, catalog }) => {
    if (settings.store === 'kubernetes') return fail(cli, KUBECTL_DOES_IT, EXIT.usage);
    const opened = await openDirectory(settings.directory, cli.clock, catalog);
    if (!opened.ok) return fail(cli, opened.error.message);
    const reader = opened.value;
    let told = false;
    async function withCaveats<T>(looked: Promise<T>): Promise<T> {
      const found = await looked;
      if (!told) await tellCaveats(cli, settings.directory, reader);
      told = true;
      return found;
    }
    return use({
      settings,
      get: (key) => withCaveats(reader.get(key)),
      list: () => withCaveats(reader.list()),
      setReplicas: reader.setReplicas,
      remove: reader.remove,
      unreadable: (error) => fail(cli, error.message),
    });
  });
}

/** Files that could not be read, and that what is shown may be old; on stderr. */
async function tellCaveats(cli: Cli, directory: string, reader: Reader): Promise<void> {
  for (const { file, line, message } of reader.problems()) {
    say(cli, `warning: ${line === undefined ? file : `${file}:${line}`}: ${message}`);
  }
  if (!(await isServed(directory, cli.clock))) {
    say(cli, `note: no operator works on ${directory}; this is what was true when one did`);
  }
}

export const namespaceOption = () =>
  new Option('-n, --namespace <name>', 'namespace of the deployment').default('default');

/** `vllmdeployment.vllm-slurm.dev/NAME`, as kubectl names an object. */
export const kindAndName = (name: string): string => `${SINGULAR}.${GROUP}/${name}`;

/** Says so in kubectl's words, and which name may have been meant. @returns the exit code */
export function notFound(cli: Cli, { namespace, name }: Key, all: readonly Resource[]): number {
  const near = didYouMean(
    name,
    all.filter(({ key }) => key.namespace === namespace).map(({ key }) => key.name),
  );
  const elsewhere = all.find(({ key }) => key.name === name)?.key.namespace;
  const hint = elsewhere === undefined ? near : ` There is one in namespace "${elsewhere}".`;
  return fail(cli, `(NotFound): ${PLURAL}.${GROUP} "${name}" not found.${hint}`);
}

/** Runs `use` with one deployment, or says that there is none. @returns the exit code */
export async function withDeployment(
  cli: Cli,
  command: Command,
  key: Key,
  use: (resource: Resource, deployments: Deployments) => Promise<number>,
): Promise<number> {
  return withDeployments(cli, command, async (deployments) => {
    const got = await deployments.get(key);
    if (!got.ok) return deployments.unreadable(got.error);
    if (got.value) return use(got.value, deployments);
    const all = await deployments.list();
    return notFound(cli, key, all.ok ? all.value : []);
  });
}

/** What the directory holds; nothing when there is none yet. For commands that need no deployment to be there. */
export async function readResources(directory: string, clock: Clock, catalog: Catalog): Promise<readonly Resource[]> {
  const opened = await openDirectory(directory, clock, catalog);
  if (!opened.ok) return [];
  const all = await opened.value.list();
  return all.ok ? all.value : [];
}
