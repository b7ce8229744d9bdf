import assert from 'node:assert/strict';
import { test } from 'node:test';
import { styleText } from 'node:util';
import { alignedTable, displayWidth } from '../../src/cli/table.ts';

test('columns stand below each other, also with wide characters, accents and colours', () => {
  const red = styleText('red', 'Failed', { validateStream: false });
  assert.equal(
    alignedTable([
      ['NAME', 'PHASE', 'AGE'],
      ['模型', red, '5m'],
      ['é', '✅', ''],
      ['a-longer-name', '', '1d'],
    ]),
    [
      'NAME            PHASE    AGE',
      `模型            ${red}   5m`,
      'é               ✅',
      'a-longer-name            1d',
    ].join('\n'),
  );
});

test('a cell is as wide as a terminal shows it', () => {
  assert.deepEqual(['abc', '模型', 'e\u0301', '👩‍🚀', 'ｱ', ''].map(displayWidth), [3, 4, 1, 2, 1, 0]);
});
