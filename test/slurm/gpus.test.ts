import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countGpus, type Gpus, gpusOf, readGpus } from '../../src/slurm/gpus.ts';

test('GPUs among what a node has, with their types where the site names any', () => {
  for (const [gres, counts] of [
    ['gpu:h100:4', [{ type: 'h100', count: 4 }]],
    ['gpu:4(S:0-1)', [{ type: '', count: 4 }]],
    ['gpu:(null):3(IDX:0-1,3)', [{ type: '', count: 3 }]],
    [
      'nic:2,gpu:nvidia_a100-sxm4-40gb:4(S:0),gpu:1g.5gb:7(S:1),craynetwork:1',
      [
        { type: 'nvidia_a100-sxm4-40gb', count: 4 },
        { type: '1g.5gb', count: 7 },
      ],
    ],
    ['shard:16,mps:400', []],
    ['(null)', []],
    ['N/A', []],
    ['', []],
  ] as const)
    assert.deepEqual(readGpus(gres), counts, gres);
});

test('what jobs hold is held, by whatever type it goes', () => {
  for (const [gres, used, gpus] of [
    ['gpu:h100:4', 'gpu:h100:0(IDX:N/A)', [{ type: 'h100', total: 4, used: 0 }]],
    ['gpu:h100:2(S:0),gpu:h100:2(S:1)', 'gpu:h100:3(IDX:0,2-3)', [{ type: 'h100', total: 4, used: 3 }]],
    ['gpu:4', 'gpu:(null):4(IDX:0-3)', [{ type: '', total: 4, used: 4 }]],
    ['gpu:4', 'gpu:2', [{ type: '', total: 4, used: 2 }]],
    // Only gres.conf names the type, or only slurm.conf.
    ['gpu:4', 'gpu:a100:1(IDX:0)', [{ type: '', total: 4, used: 1 }]],
    ['gpu:a100:4', 'gpu:(null):1(IDX:0)', [{ type: 'a100', total: 4, used: 1 }]],
    [
      'gpu:a100:2,gpu:h100:2',
      'gpu:3',
      [
        { type: 'a100', total: 2, used: 2 },
        { type: 'h100', total: 2, used: 1 },
      ],
    ],
    ['gpu:h100:4', 'gpu:h100:6(IDX:0-5)', [{ type: 'h100', total: 4, used: 4 }]],
    ['gpu:h100:4', '', [{ type: 'h100', total: 4, used: 0 }]],
    ['(null)', '(null)', []],
  ] as const satisfies readonly (readonly [string, string, readonly Gpus[]])[])
    assert.deepEqual(gpusOf(gres, used), gpus, `${gres} ${used}`);
});

test('in a cluster a node where no job can run has neither free nor usable ones', () => {
  const a100 = { type: 'a100', total: 8, used: 8 };
  const h100 = { type: 'h100', total: 4, used: 1 };
  assert.deepEqual(
    countGpus([
      { isUsable: true, gpus: [h100, { type: '', total: 1, used: 0 }] },
      { isUsable: false, gpus: [h100] },
      { isUsable: true, gpus: [a100] },
      { isUsable: true, gpus: [] },
    ]),
    [
      { type: 'a100', total: 8, usable: 8, free: 0 },
      { type: 'h100', total: 8, usable: 4, free: 3 },
      { type: '', total: 1, usable: 1, free: 1 },
    ],
  );
  assert.deepEqual(countGpus([]), []);
});
