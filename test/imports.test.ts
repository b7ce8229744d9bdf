import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SRC = fileURLToPath(new URL('../src', import.meta.url));

/** Layers by the beginning of a path below `src`, first match wins; a file may import from its own layer and those named. */
const LAYERS = [
  {
    name: 'words',
    paths: [
      'result.ts',
      'nearest.ts',
      'redact.ts',
      'api/',
      'slurm/association.ts',
      'slurm/directive-lines.ts',
      'slurm/directives.ts',
      'slurm/duration.ts',
      'slurm/gpus.ts',
      'slurm/identity.ts',
      'slurm/job.ts',
      'slurm/node-list.ts',
      'slurm/partition.ts',
      'slurm/scheduler.ts',
      'slurm/states.ts',
    ],
  },
  { name: 'clock', paths: ['clock.ts'] },
  {
    name: 'ports',
    paths: [
      'slurm/slurm.ts',
      'store/store.ts',
      'probe/prober.ts',
      'secrets/secrets.ts',
      'lease/lease.ts',
      'publish/publisher.ts',
    ],
  },
  { name: 'pure', paths: ['launch/', 'decide/', 'doctor/', 'import/', 'config.ts'] },
  { name: 'slurm', paths: ['slurm/'] },
  { name: 'ssh', paths: ['ssh/'] },
  { name: 'store', paths: ['store/'] },
  { name: 'probe', paths: ['probe/'] },
  { name: 'secrets', paths: ['secrets/'] },
  { name: 'publish', paths: ['publish/'] },
  { name: 'standin', paths: ['standin/'] },
  { name: 'kubernetes', paths: ['kubernetes/'] },
  { name: 'controller', paths: ['controller/', 'lease/'] },
  { name: 'telemetry', paths: ['telemetry/'] },
  { name: 'composition', paths: ['cli/', 'main.ts'] },
] as const;
type LayerName = (typeof LAYERS)[number]['name'];

/** What a layer may import besides itself. */
const BELOW: Readonly<Record<LayerName, readonly LayerName[]>> = {
  words: [],
  clock: [],
  ports: ['words', 'clock'],
  pure: ['words', 'ports'],
  slurm: ['words', 'clock', 'ports'],
  ssh: ['words', 'clock', 'ports', 'slurm', 'probe'],
  kubernetes: ['words', 'clock', 'ports'],
  store: ['words', 'clock', 'ports', 'pure', 'kubernetes'],
  probe: ['words', 'clock', 'ports'],
  secrets: ['words', 'clock', 'ports', 'kubernetes'],
  publish: ['words', 'clock', 'ports', 'kubernetes'],
  standin: [],
  controller: ['words', 'clock', 'ports', 'pure'],
  telemetry: ['words', 'clock', 'ports', 'pure', 'kubernetes', 'controller'],
  composition: [
    ...(['words', 'clock', 'ports', 'pure', 'slurm', 'ssh', 'store', 'probe', 'secrets', 'publish'] as const),
    ...(['kubernetes', 'controller', 'telemetry'] as const),
  ],
};

const PURE_FOLDERS = ['api/', 'decide/', 'doctor/', 'import/', 'launch/'];
/** Modules of Node.js that do nothing to the outside. */
const HARMLESS = ['node:crypto', 'node:util', 'node:path'];
const IMPURE =
  /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bprocess\.|\brandomBytes\b|\brandomUUID\b|\bfetch\(|\bsetTimeout\b|\bsetInterval\b/;

type Source = {
  readonly file: string;
  readonly layer: LayerName;
  readonly text: string;
  readonly imports: readonly string[];
};

const sources: readonly Source[] = globSync('**/*.ts', { cwd: SRC }).map((file) => {
  const text = readFileSync(path.join(SRC, file), 'utf8');
  return {
    file,
    layer: layerOf(file),
    text,
    imports: [...text.matchAll(/^(?:import|export)\b(?:[^'";=]*?\bfrom)?\s*['"]([^'"]+)['"]/gm)].map(
      ([, from = '']) => from,
    ),
  };
});

test('imports point upwards only: words, ports, pure code, adapters, controller, commands', () => {
  const wrong = sources.flatMap(({ file, layer, imports }) =>
    imports.filter(isOurs).flatMap((from) => {
      const target = path.join(path.dirname(file), from);
      const targetLayer = layerOf(target);
      return targetLayer === layer || BELOW[layer].includes(targetLayer)
        ? []
        : [`${file} (${layer}) imports ${target} (${targetLayer})`];
    }),
  );
  assert.deepEqual(wrong, []);
});

test('an adapter does not know another adapter of its port', () => {
  const adapterOf = (file: string) =>
    /^(slurm\/(?:cli|rest|local)|store\/(?:directory|kubernetes|memory))/.exec(file)?.[1];
  const wrong = sources.flatMap(({ file, imports }) =>
    imports.filter(isOurs).flatMap((from) => {
      const target = path.join(path.dirname(file), from);
      const [own, other] = [adapterOf(file), adapterOf(target)];
      return own && other && own !== other ? [`${file} imports ${target}`] : [];
    }),
  );
  assert.deepEqual(wrong, []);
});

test('pure folders import nothing of Node.js that does something, and read no clock, chance or environment', () => {
  const wrong = sources
    .filter(({ file }) => PURE_FOLDERS.some((folder) => file.startsWith(folder)))
    .flatMap(({ file, text, imports }) => [
      ...imports
        .filter((from) => from.startsWith('node:') && !HARMLESS.includes(from))
        .map((from) => `${file} imports ${from}`),
      ...withoutComments(text)
        .split('\n')
        .filter((line) => IMPURE.test(line))
        .map((line) => `${file}: ${line.trim()}`),
    ]);
  assert.deepEqual(wrong, []);
});

test('every import of ours names a file that exists, with its ending', () => {
  const known = new Set(sources.map(({ file }) => file));
  const wrong = sources.flatMap(({ file, imports }) =>
    imports
      .filter((from) => isOurs(from) && !known.has(path.join(path.dirname(file), from)))
      .map((from) => `${file} imports ${from}`),
  );
  assert.deepEqual(wrong, []);
});

function isOurs(from: string): boolean {
  return from.startsWith('.');
}

function layerOf(file: string): LayerName {
  const layer = LAYERS.find(({ paths }) =>
    paths.some((start) => file === start || (start.endsWith('/') && file.startsWith(start))),
  );
  assert.ok(layer, `${file} belongs to no layer: name it in test/imports.test.ts`);
  return layer.name;
}

/** Also takes out strings, where a word is no access. */
function withoutComments(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
    .replace(/'(?:[^'\\\n]|\\.)*'/g, "''");
}
