import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { embedded } from './embedded.ts';
import { follow } from './follow.ts';
import { DOCUMENTS, fencesOf } from './markdown.ts';
import { isCommands, placeOf } from './places.ts';
import { scratch } from './scratch.ts';

describe('the commands of the documents, in order, on the embedded cluster', { concurrency: 4 }, () => {
  for (const file of DOCUMENTS) {
    const fences = fencesOf(file);
    if (!fences.some((fence) => isCommands(fence) && placeOf(fence) === 'embedded')) continue;
    it(file, async () => {
      await using here = scratch(embedded);
      const { code, told, said } = await follow(fences, ['embedded'], here);
      assert.deepEqual({ code, told }, { code: 0, told: [] }, said);
    });
  }
});
