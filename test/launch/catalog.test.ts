import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readCatalog } from '../../src/cli/catalog-files.ts';
import { engineCommand } from '../../src/launch/arguments.ts';
import { fitWarnings } from '../../src/launch/fit.ts';
import { readSpec } from '../../src/launch/read-spec.ts';
import { topologyOf } from '../../src/launch/topology.ts';

const read = readCatalog({});
assert.ok(read.ok);
const catalog = read.value;
const presets = [...catalog.entries.keys()];

function specOf(preset: string) {
  const spec = readSpec({ preset }, catalog);
  assert.ok(spec.ok, `${preset}: ${JSON.stringify(spec)}`);
  return spec.value;
}

function flagsOf(version: string): ReadonlySet<string> {
  const file = fileURLToPath(new URL(`../fixtures/launch/serve-flags.${version}.txt`, import.meta.url));
  return new Set(readFileSync(file, 'utf8').split('\n'));
}

test('the catalog holds the nine models, and every file of it is good', () => {
  assert.deepEqual([...catalog.broken.values()], []);
  assert.deepEqual(presets, [
    'glm-4.6v',
    'glm-4.6v-fp8',
    'glm-4.7',
    'glm-4.7-flash',
    'gpt-oss-120b',
    'gpt-oss-20b',
    'llama-4-maverick',
    'llama-4-scout',
    'qwen3-vl-235b',
  ]);
});

for (const version of ['v0.15.1', 'v0.32.0']) {
  test(`every flag of every preset is one of vLLM ${version}`, () => {
    const known = flagsOf(version);
    const wrong = presets.flatMap((preset) =>
      engineCommand(specOf(preset), { standInCommand: [] })
        .filter((word) => word.startsWith('--') && !known.has(word))
        .map((word) => `${preset}: ${word}`),
    );
    assert.deepEqual(wrong, []);
  });
}

test('every figure of a preset has its source, and every source a figure', () => {
  const wrong = [...catalog.entries.values()].flatMap(({ name, preset: { sources, ...preset } }) => {
    const { title, description, notes, vision, gated, ...figures } = preset;
    const paths = leavesOf({ ...figures, ...(vision && { vision }), ...(gated && { gated }) });
    const covers = (source: string, path: string) => path === source || path.startsWith(`${source}.`);
    const bare = paths.filter((path) => !Object.keys(sources).some((source) => covers(source, path)));
    const idle = Object.keys(sources).filter((source) => !paths.some((path) => covers(source, path)));
    return [...bare, ...idle].map((path) => `${name}: ${path}`);
  });
  assert.deepEqual(wrong, []);
});

test('every preset fits the GPUs it was made for, and a cluster of its size', () => {
  const wrong = [...catalog.entries.values()].flatMap(({ name, preset }) => {
    const { nodes, gpusPerNode } = specOf(name).resources;
    return fitWarnings(specOf(name), catalog, { nodes, gpusPerNode, gpuMemoryGiB: preset.gpuMemoryGiB });
  });
  assert.deepEqual(wrong, []);
});

test('over several nodes tensor parallelism stays within a node', () => {
  const split = (preset: string) => {
    const { nodes, tensor, pipeline } = topologyOf(specOf(preset));
    return [nodes, tensor, pipeline];
  };
  assert.deepEqual(['glm-4.7', 'qwen3-vl-235b', 'llama-4-maverick', 'glm-4.6v', 'gpt-oss-120b'].map(split), [
    [2, 4, 2],
    [2, 4, 2],
    [2, 4, 2],
    [1, 4, 1],
    [1, 1, 1],
  ]);
});

/** What is wrong on a cluster of 40 GiB GPUs: only the smallest goes on. */
const ON_40_GIB: Readonly<Record<string, string>> = {
  'gpt-oss-20b': '',
  'gpt-oss-120b': 'spec.resources: the weights take 60.8 GiB of each GPU',
  'glm-4.7-flash': 'spec.engine.maxModelLen: one request of 131072 tokens takes 6.6 GiB of cache',
  'glm-4.6v-fp8': 'spec.resources: the weights take 51.2 GiB of each GPU',
  'glm-4.6v': 'spec.resources: the weights take 50.3 GiB of each GPU',
  'llama-4-scout': 'spec.resources: the weights take 52.2 GiB of each GPU',
  'glm-4.7': 'spec.resources: the weights take 42.1 GiB of each GPU',
  'qwen3-vl-235b': 'spec.engine.maxModelLen: one request of 262144 tokens takes 5.9 GiB of cache',
  'llama-4-maverick': 'spec.resources: the weights take 47.3 GiB of each GPU',
};
for (const [preset, expected] of Object.entries(ON_40_GIB)) {
  test(`on GPUs of 40 GiB ${preset} ${expected === '' ? 'still fits' : 'is warned of'}`, () => {
    const told = fitWarnings(specOf(preset), catalog, { gpuMemoryGiB: 40 }).map(
      (one) => `${one.field}: ${one.message}`,
    );
    assert.deepEqual(
      told.map((line) => line.split(', and a GPU')[0]),
      expected === '' ? [] : [expected],
    );
  });
}

function leavesOf(value: unknown, prefix = ''): readonly string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [prefix];
  return Object.entries(value).flatMap(([key, part]) => leavesOf(part, prefix === '' ? key : `${prefix}.${key}`));
}
