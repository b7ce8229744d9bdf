import assert from 'node:assert/strict';
import { test } from 'node:test';
import { didYouMean, nearest } from '../src/nearest.ts';

test('a mistyped word finds the one that was meant, a strange one finds none', () => {
  const known = ['replicas', 'resources', 'restartPolicy'];
  assert.deepEqual(
    ['replica', 'Replicas', 'repilcas', 'resourecs', 'engine', 'x', ''].map((word) => nearest(word, known)),
    ['replicas', 'replicas', 'replicas', 'resources', undefined, undefined, undefined],
  );
});

test('the suggestion is a sentence, or nothing', () => {
  assert.deepEqual([didYouMean('qwne', ['qwen']), didYouMean('llama', ['qwen'])], [' Did you mean "qwen"?', '']);
});
