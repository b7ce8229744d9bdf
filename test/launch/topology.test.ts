import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Spec, type SpecInput } from '../../src/api/spec.ts';
import { topologyOf } from '../../src/launch/topology.ts';

type Split = readonly [tensor: number, pipeline: number, data: number];
type Case = readonly [
  title: string,
  nodes: number,
  gpusPerNode: number,
  parallelism: NonNullable<SpecInput['parallelism']>,
  split: Split,
];

const cases: readonly Case[] = [
  ['one node: all its GPUs', 1, 4, {}, [4, 1, 1]],
  ['one node without GPUs: one rank', 1, 0, {}, [1, 1, 1]],
  ['several nodes: tensor within a node, a stage a node', 2, 4, {}, [4, 2, 1]],
  ['tensor over nodes when asked', 2, 4, { tensor: 8 }, [8, 1, 1]],
  ['a smaller tensor leaves GPUs idle rather than making more stages than nodes', 2, 4, { tensor: 2 }, [2, 2, 1]],
  ['fewer ranks than the GPUs of one node', 1, 4, { tensor: 2 }, [2, 1, 1]],
  ['stages as told, tensor fills the rest', 2, 4, { pipeline: 4 }, [2, 4, 1]],
  ['one stage as told', 2, 4, { pipeline: 1 }, [8, 1, 1]],
  ['copies fill the nodes', 2, 4, { data: 2 }, [4, 1, 2]],
  ['a copy a GPU', 2, 4, { data: 8 }, [1, 1, 8]],
  ['copies of several stages', 1, 8, { data: 2, pipeline: 2 }, [2, 2, 2]],
  ['nodes without GPUs: one rank each, no stages', 2, 0, {}, [2, 1, 1]],
  ['copies without GPUs', 2, 0, { data: 2 }, [1, 1, 2]],
];

describe('how ranks are split over nodes', () => {
  for (const [title, nodes, gpusPerNode, parallelism, split] of cases) {
    it(title, () => {
      const spec = Spec.parse({ model: { uri: 'hf://a/b' }, resources: { nodes, gpusPerNode }, parallelism });
      const { tensor, pipeline, data } = topologyOf(spec);
      assert.deepEqual([tensor, pipeline, data], split);
    });
  }
});
