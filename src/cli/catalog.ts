import { Command } from 'commander';
import { stringify } from 'yaml';
import type { Catalog, CatalogEntry } from '../api/catalog.ts';
import { API_VERSION, KIND } from '../api/resource.ts';
import { uriOf } from '../launch/fit.ts';
import { readSpec } from '../launch/read-spec.ts';
import { didYouMean } from '../nearest.ts';
import { type Cli, EXIT, examples, fail, print, say, wholeNumber } from './cli.ts';
import { withSettings } from './global-options.ts';
import { alignedTable } from './table.ts';

type CatalogOptions = {
  readonly gpus?: number;
  readonly nodes?: number;
  readonly vision?: true;
  readonly precision?: string;
  readonly json?: true;
};

export function catalogCommand(cli: Cli): Command {
  const command = new Command('catalog')
    .description('list the models that can be named by spec.preset, or show one')
    .argument('[name]', 'show this preset: a deployment to copy, notes, and the source of each figure')
    .option('--gpus <n>', 'those that need no more GPUs in all', wholeNumber(1))
    .option('--nodes <n>', 'those that need no more nodes', wholeNumber(1))
    .option('--vision', 'those that take images')
    .option('--precision <word>', 'those with such weights: BF16, FP8, MXFP4')
    .option('--json', 'as JSON')
    .action(async (name: string | undefined, options: CatalogOptions, self: Command) =>
      cli.exit(await withSettings(cli, self, async ({ catalog }) => run(cli, catalog, name, options))),
    );
  return examples(command, [
    ['vllm-slurm catalog --gpus 2 --vision', 'what two GPUs can see with'],
    ['vllm-slurm catalog gpt-oss-120b', 'everything about one'],
  ]);
}

function run(cli: Cli, catalog: Catalog, name: string | undefined, options: CatalogOptions): number {
  for (const problem of catalog.broken.values()) say(cli, `warning: ${problem}`);
  if (name !== undefined) {
    const entry = catalog.entries.get(name);
    if (!entry) return fail(cli, `no preset "${name}".${didYouMean(name, [...catalog.entries.keys()])}`);
    print(cli, options.json ? JSON.stringify({ name, ...entry.preset }, undefined, 2) : shown(entry));
    return EXIT.ok;
  }
  const found = [...catalog.entries.values()].filter((entry) => isWanted(entry, options));
  if (options.json)
    print(
      cli,
      JSON.stringify(
        found.map((one) => ({ name: one.name, ...one.preset })),
        undefined,
        2,
      ),
    );
  else if (found.length === 0) say(cli, 'No preset is like that.');
  else print(cli, alignedTable([HEAD, ...found.map(row)]));
  return EXIT.ok;
}

function isWanted({ preset }: CatalogEntry, { gpus, nodes, vision, precision }: CatalogOptions): boolean {
  const size = sizeOf(preset.spec);
  return (
    (gpus === undefined || size.nodes * size.gpusPerNode <= gpus) &&
    (nodes === undefined || size.nodes <= nodes) &&
    (vision === undefined || preset.vision) &&
    (precision === undefined || preset.precision.toLowerCase() === precision.toLowerCase())
  );
}

const HEAD = ['NAME', 'NODES', 'GPUS', 'GPU-MEMORY', 'CONTEXT', 'PRECISION', 'VISION', 'GATED', 'MODEL'];

function row({ name, preset }: CatalogEntry): readonly string[] {
  const { nodes, gpusPerNode, maxModelLen } = sizeOf(preset.spec);
  return [
    name,
    String(nodes),
    String(nodes * gpusPerNode),
    `${preset.gpuMemoryGiB} GiB`,
    String(maxModelLen ?? preset.contextTokens),
    preset.precision,
    preset.vision ? 'yes' : '-',
    preset.gated ? 'yes' : '-',
    String(uriOf(preset)),
  ];
}

/** @returns zeros never: a preset was read as a spec before it came into the catalog */
function sizeOf(spec: CatalogEntry['preset']['spec']) {
  const read = readSpec(spec);
  const { nodes = 0, gpusPerNode = 0 } = read.ok ? read.value.resources : {};
  return { nodes, gpusPerNode, maxModelLen: read.ok ? read.value.engine.maxModelLen : undefined };
}

/** What can be piped into a file and applied as it is stands first; all else is comment. */
function shown({ name, file, preset }: CatalogEntry): string {
  const comment = (text: string): string =>
    text
      .split('\n')
      .map((line) => `# ${line}`.trimEnd())
      .join('\n');
  const yaml = (value: unknown): string => stringify(value, { lineWidth: 0 }).trimEnd();
  return [
    yaml({
      apiVersion: API_VERSION,
      kind: KIND,
      metadata: { name: name.replaceAll(/[._]/g, '-') },
      spec: { preset: name },
    }),
    comment(`${preset.title}: ${preset.description}`),
    comment(
      `needs vLLM ${preset.minimumEngine} or later${preset.gated ? ', and a Hugging Face token that has accepted its licence' : ''}`,
    ),
    comment(`from ${file}`),
    '#',
    comment(`What the preset fills in, each to be written over in spec:\n${yaml(preset.spec)}`),
    ...preset.notes.map((note) => comment(`- ${note}`)),
    '#',
    comment(`Sources:\n${yaml(preset.sources)}`),
  ].join('\n');
}
