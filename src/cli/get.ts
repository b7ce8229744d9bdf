import { Command, Option } from 'commander';
import { COLUMNS, type Column } from '../api/columns.ts';

import { type Key, keyText } from '../api/key.ts';
import type { Resource } from '../api/resource.ts';
import { assertNever } from '../result.ts';
import { type Cli, EXIT, examples, paint, pause, print, printable, say } from './cli.ts';
import { type Deployments, kindAndName, namespaceOption, notFound, withDeployments } from './deployments.ts';
import { listOf, manifestOf, printed } from './manifest.ts';
import { spanWords } from './spans.ts';
import { alignedLines, columnWidths } from './table.ts';

type Shape = 'table' | 'wide' | 'json' | 'yaml' | 'name';
type GetOptions = {
  readonly output: Shape;
  readonly watch?: true;
  readonly allNamespaces?: true;
  readonly namespace: string;
};

/** Between two looks of `--watch`, ms. */
const WATCH_PERIOD_MS = 1000;

export function getCommand(cli: Cli): Command {
  const command = new Command('get')
    .description('list deployments, or show one')
    .argument('[name]', 'only this deployment')
    .addOption(
      new Option('-o, --output <shape>', 'what to print')
        .choices(['table', 'wide', 'json', 'yaml', 'name'])
        .default('table'),
    )
    .option('-w, --watch', 'go on printing what changes, until Ctrl-C')
    .option('-A, --all-namespaces', 'of every namespace')
    .addOption(namespaceOption())
    .action(async (name: string | undefined, options: GetOptions, self: Command) =>
      cli.exit(await withDeployments(cli, self, (deployments) => get(cli, deployments, name, options))),
    );
  return examples(command, [
    ['vllm-slurm get', 'every deployment, its endpoint and why it is not ready'],
    ['vllm-slurm get qwen -o wide', 'with jobs, nodes and partitions'],
    ['vllm-slurm get --watch', 'rows again as they change'],
    ["vllm-slurm get qwen -o json | jq -r '.status.endpoints[].url'", 'for scripts'],
  ]);
}

async function get(cli: Cli, deployments: Deployments, name: string | undefined, options: GetOptions): Promise<number> {
  const everywhere = options.allNamespaces === true && name === undefined;
  const all = await deployments.list();
  if (!all.ok) return deployments.unreadable(all.error);
  const wanted = select(all.value, name, everywhere ? undefined : options.namespace);
  if (name !== undefined && wanted.length === 0)
    return notFound(cli, { namespace: options.namespace, name }, all.value);
  if (wanted.length === 0 && options.output !== 'json' && options.output !== 'yaml') {
    say(cli, everywhere ? 'No resources found' : `No resources found in ${options.namespace} namespace.`);
  } else print(cli, shown(cli, wanted, options.output, name !== undefined, everywhere));
  return options.watch ? watch(cli, deployments, wanted, name, { ...options, everywhere }) : EXIT.ok;
}

function select(
  all: readonly Resource[],
  name: string | undefined,
  namespace: string | undefined,
): readonly Resource[] {
  return all
    .filter(
      ({ key }) =>
        (namespace === undefined || key.namespace === namespace) && (name === undefined || key.name === name),
    )
    .sort((a, b) => (keyText(a.key) < keyText(b.key) ? -1 : 1));
}

function shown(cli: Cli, wanted: readonly Resource[], shape: Shape, one: boolean, everywhere: boolean): string {
  const [first] = wanted;
  switch (shape) {
    case 'json':
    case 'yaml':
      return printed(one && first ? manifestOf(first) : listOf(wanted), shape);
    case 'name':
      return wanted.map(({ key }) => kindAndName(key.name)).join('\n');
    case 'table':
    case 'wide': {
      return deploymentTable(cli, wanted, shape, everywhere);
    }
    default:
      return assertNever(shape);
  }
}

/** What `kubectl get` would print. */
export function deploymentTable(
  cli: Cli,
  resources: readonly Resource[],
  shape: Shape = 'table',
  everywhere = false,
): string {
  const rows = resources.map((resource) => rowOf(cli, resource, shape, everywhere));
  return alignedLines([headOf(shape, everywhere), ...rows]).join('\n');
}

/** Prints a row again whenever it differs from the one printed before; a deployment that went is told on stderr. */
async function watch(
  cli: Cli,
  deployments: Deployments,
  seen: readonly Resource[],
  name: string | undefined,
  options: GetOptions & { readonly everywhere: boolean },
): Promise<number> {
  const { output, everywhere, namespace } = options;
  const namespaceWanted = everywhere ? undefined : namespace;
  let last = new Map(seen.map((resource) => [keyText(resource.key), fingerprint(resource)]));
  let widths = columnWidths([
    headOf(output, everywhere),
    ...seen.map((resource) => rowOf(cli, resource, output, everywhere)),
  ]);
  while (await pause(cli, WATCH_PERIOD_MS)) {
    const now = await deployments.list();
    if (!now.ok) continue;
    const wanted = select(now.value, name, namespaceWanted);
    const changed = wanted.filter((resource) => last.get(keyText(resource.key)) !== fingerprint(resource));
    const keys = new Set(wanted.map(({ key }) => keyText(key)));
    for (const key of last.keys()) if (!keys.has(key)) say(cli, `${key} deleted`);
    last = new Map(wanted.map((resource) => [keyText(resource.key), fingerprint(resource)]));
    if (changed.length === 0) continue;
    if (output === 'table' || output === 'wide') {
      const rows = changed.map((resource) => rowOf(cli, resource, output, everywhere));
      widths = columnWidths(rows, widths);
      print(cli, alignedLines(rows, widths).join('\n'));
    } else for (const resource of changed) print(cli, shown(cli, [resource], output, true, everywhere));
  }
  return EXIT.interrupted;
}

function fingerprint(resource: Resource): string {
  return JSON.stringify(manifestOf(resource));
}

function columnsOf(shape: Shape): readonly Column[] {
  return COLUMNS.filter(({ priority }) => priority === 0 || shape === 'wide');
}

function headOf(shape: Shape, everywhere: boolean): readonly string[] {
  return [...(everywhere ? ['NAMESPACE'] : []), 'NAME', ...columnsOf(shape).map(({ name }) => name.toUpperCase())];
}

function rowOf(cli: Cli, resource: Resource, shape: Shape, everywhere: boolean): readonly string[] {
  const { namespace, name }: Key = resource.key;
  return [...(everywhere ? [namespace] : []), name, ...columnsOf(shape).map((column) => cellOf(cli, resource, column))];
}

function cellOf(cli: Cli, resource: Resource, { name, type, read }: Column): string {
  const value = read(resource);
  if (value === undefined || value === '') return '<none>';
  if (type === 'date') return spanWords(cli.clock.now() - Number(value));
  const text = printable(String(value));
  const colour = name === 'Phase' ? PHASE_COLOURS[text] : undefined;
  return colour ? paint(cli, cli.stdout, colour, text) : text;
}

const PHASE_COLOURS: Readonly<Record<string, 'green' | 'yellow' | 'red'>> = {
  Running: 'green',
  Degraded: 'yellow',
  Unknown: 'yellow',
  Failed: 'red',
  Stalled: 'red',
  Invalid: 'red',
};
