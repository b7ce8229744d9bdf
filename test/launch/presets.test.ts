import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SpecInput } from '../../src/api/spec.ts';
import { originsOf } from '../../src/launch/origins.ts';
import { readSpec } from '../../src/launch/read-spec.ts';
import { presetHash } from '../../src/launch/spec-hash.ts';
import { catalogOf } from '../gen/catalog.ts';

const catalog = catalogOf({
  big: {
    resources: { nodes: 2, gpusPerNode: 4, memoryPerGpu: '64G' },
    engine: { maxModelLen: 4096, args: ['--enforce-eager'], env: { A: '1', B: '2' } },
  },
});

function read(raw: unknown) {
  const spec = readSpec(raw, catalog);
  assert.ok(spec.ok, JSON.stringify(spec));
  return spec.value;
}

describe('a spec with a preset', () => {
  it('is the whole deployment the preset describes, defaults filled in last', () => {
    const { preset, ...filled } = read({ preset: 'big' });
    assert.equal(preset, 'big');
    assert.deepEqual(
      filled,
      read({
        model: { uri: 'hf://org/big' },
        resources: { nodes: 2, gpusPerNode: 4, memoryPerGpu: '64G' },
        engine: { maxModelLen: 4096, args: ['--enforce-eager'], env: { A: '1', B: '2' } },
      }),
    );
  });

  it('has the last word: field by field in objects, a list whole, and what is a default elsewhere', () => {
    const spec = read({
      preset: 'big',
      model: { uri: 'file:///models/big' },
      resources: { nodes: 1 },
      engine: { args: ['--enable-sleep-mode'], env: { B: '3' } },
    });
    assert.equal(spec.model.uri, 'file:///models/big');
    assert.deepEqual(spec.resources, { nodes: 1, gpusPerNode: 4, memoryPerGpu: '64G' });
    assert.deepEqual(
      [spec.engine.args, spec.engine.env, spec.engine.maxModelLen],
      [['--enable-sleep-mode'], { A: '1', B: '3' }, 4096],
    );
  });

  it('may say in one field what the preset says in another of the same meaning', () => {
    assert.deepEqual(read({ preset: 'big', resources: { memory: '500G' } }).resources, {
      nodes: 2,
      gpusPerNode: 4,
      memory: '500G',
    });
  });

  it('that is not in the catalog is told at its field, with the name that may have been meant', () => {
    assert.deepEqual(readSpec({ preset: 'bgi' }, catalog), {
      ok: false,
      error: [{ field: 'spec.preset', message: '"bgi" is not in the catalog. Did you mean "big"?' }],
    });
    assert.deepEqual(readSpec({ preset: 'torn' }, catalog), {
      ok: false,
      error: [{ field: 'spec.preset', message: '"torn" cannot be used: torn.yaml: title: Required' }],
    });
  });

  it('is checked as a whole', () => {
    const wrong = readSpec({ preset: 'big', parallelism: { tensor: 16 } }, catalog);
    assert.deepEqual(wrong.ok ? [] : wrong.error.map(({ field }) => field), ['spec.parallelism.tensor']);
  });

  it('of a wrong type is told like any other field', () => {
    const wrong = readSpec({ preset: 7 }, catalog);
    assert.deepEqual(wrong.ok ? [] : wrong.error.map(({ field }) => field), ['spec.preset', 'spec.model']);
  });
});

describe('what a job with a preset is known by', () => {
  const hash = (more: Partial<SpecInput> = {}) => presetHash({ preset: 'big', ...more });

  it('is nothing but the words of its person: another catalog is no edit', () => {
    assert.equal(hash(), presetHash({ preset: 'big' }));
    assert.equal(hash(), hash({ replicas: 3, suspend: true, restartPolicy: { maxRestarts: 1 } }));
    assert.equal(hash(), hash({ slurm: { exclude: [] } }));
  });

  it('changes with every word that may stand against the preset, one that is a default elsewhere included', () => {
    const all = [
      hash(),
      hash({ resources: { nodes: 1 } }),
      hash({ engine: { args: [] } }),
      hash({ slurm: { partitions: ['a'] } }),
      presetHash({ preset: 'other' }),
    ];
    assert.equal(new Set(all).size, all.length);
  });

  it('is that of the spec where there is no preset', () => {
    assert.equal(presetHash({ model: { uri: 'hf://a/b' } }), undefined);
  });
});

it('each value is told with where it is from, the spec before the settings before the catalog', () => {
  const raw = {
    preset: 'big',
    resources: { gpusPerNode: 2, memory: '9G' },
    slurm: { account: 'mine', partitions: [] },
  };
  assert.deepEqual(originsOf(raw, catalog, { account: 'ours', partitions: ['gpu'] }), [
    { path: 'engine.args', value: ['--enforce-eager'], from: 'catalog' },
    { path: 'engine.env.A', value: '1', from: 'catalog' },
    { path: 'engine.env.B', value: '2', from: 'catalog' },
    { path: 'engine.maxModelLen', value: 4096, from: 'catalog' },
    { path: 'model.uri', value: 'hf://org/big', from: 'catalog' },
    { path: 'preset', value: 'big', from: 'spec' },
    { path: 'resources.gpusPerNode', value: 2, from: 'spec', instead: 4 },
    { path: 'resources.memory', value: '9G', from: 'spec' },
    { path: 'resources.nodes', value: 2, from: 'catalog' },
    { path: 'slurm.account', value: 'mine', from: 'spec', instead: 'ours' },
    { path: 'slurm.partitions', value: ['gpu'], from: 'settings' },
  ]);
});
