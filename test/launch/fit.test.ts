import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SpecInput } from '../../src/api/spec.ts';
import { fitWarnings, type Hardware } from '../../src/launch/fit.ts';
import { gpuMemoryGiB } from '../../src/launch/gpus.ts';
import { readSpec } from '../../src/launch/read-spec.ts';
import { catalogOf } from '../gen/catalog.ts';

const catalog = catalogOf({ big: { engine: { maxModelLen: 131072 } } });

function warnings(about: Partial<SpecInput>, hardware: Hardware = {}) {
  const spec = readSpec({ preset: 'big', ...about }, catalog);
  assert.ok(spec.ok, JSON.stringify(spec));
  return fitWarnings(spec.value, catalog, hardware).map(({ field, message }) => `${field}: ${message}`);
}

describe('whether a model fits', () => {
  it('is not in doubt on GPUs of the size the catalog assumes', () => {
    assert.deepEqual(warnings({}), []);
  });

  it('is doubted when the weights alone are too large, with how many GPUs would do', () => {
    assert.deepEqual(warnings({ resources: { gpuType: 'l4' } }), [
      'spec.resources: the weights take 37.3 GiB of each GPU, and a GPU of 24 GiB has 18.6 GiB for them: take at least 3 GPUs of this kind for one copy, or a smaller quantization',
    ]);
  });

  it('is doubted when one request of full length has no room beside the weights, with the length that has', () => {
    assert.deepEqual(warnings({}, { gpuMemoryGiB: 48 }), [
      'spec.engine.maxModelLen: one request of 131072 tokens takes 16 GiB of cache, and a GPU of 48 GiB has 2.9 GiB left beside the weights: set it to 23552 or less, or take more GPUs',
    ]);
    assert.deepEqual(warnings({ engine: { maxModelLen: 23552 } }, { gpuMemoryGiB: 48 }), []);
    assert.deepEqual(warnings({ resources: { gpusPerNode: 2 } }, { gpuMemoryGiB: 48 }), []);
  });

  it('takes what the spec says of the GPU before what the site says', () => {
    assert.deepEqual(warnings({ resources: { gpuType: 'h100' } }, { gpuMemoryGiB: 24 }), []);
  });

  it('counts a cache of 8 bits half', () => {
    const long = { maxModelLen: 300_000 };
    assert.equal(warnings({ engine: long }).length, 1);
    assert.deepEqual(warnings({ engine: { ...long, kvCacheDtype: 'fp8' } }), []);
  });

  it('is doubted when ranks cannot share the heads', () => {
    assert.deepEqual(warnings({ resources: { gpusPerNode: 3 } }), [
      'spec.parallelism.tensor: 3 tensor-parallel ranks cannot share 64 attention heads evenly: choose a divisor',
    ]);
  });

  it('is doubted where the site has fewer nodes, or fewer GPUs on one', () => {
    assert.deepEqual(warnings({ resources: { nodes: 4, gpusPerNode: 8 } }, { nodes: 2, gpusPerNode: 4 }), [
      'spec.resources.gpusPerNode: 8 GPUs a node are asked for, and the site has 4 (hardware.gpusPerNode): SLURM will refuse the job or let it wait for ever',
      'spec.resources.nodes: 4 nodes are asked for, and the site has 2 (hardware.nodes): SLURM will refuse the job or let it wait for ever',
    ]);
  });

  it('is known of a model by its address too, of a local copy by its preset, and of others not at all', () => {
    const tight = { gpuMemoryGiB: 24 };
    const without = readSpec({ model: { uri: 'hf://org/big' } });
    assert.equal(without.ok && fitWarnings(without.value, catalog, tight).length, 1);
    assert.equal(warnings({ model: { uri: 'file:///models/big' } }, tight).length, 1);
    assert.deepEqual(warnings({ model: { uri: 'hf://org/other' } }, tight), []);
    assert.deepEqual(warnings({ engine: { type: 'stand-in' } }, tight), []);
  });
});

it('GPUs are known by the names sites give them', () => {
  const names = [
    'h100',
    'nvidia_h100_80gb_hbm3',
    'H200',
    'a100',
    'a100_40gb',
    'gb200',
    'l40s',
    'l4',
    'mi300x',
    'mi300a',
    't4',
    'foo',
  ];
  assert.deepEqual(
    names.map((name) => gpuMemoryGiB(name)),
    [79.6, 79.6, 140, 80, 40, 183, 45, 24, 192, 128, 15, undefined],
  );
});
