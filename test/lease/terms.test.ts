import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTerms } from '../../src/lease/terms.ts';
import type { Store } from '../../src/store/store.ts';
import { gate, ground, settled } from '../controller/ground.ts';

const KEY = { namespace: 'default', name: 'web' };
const SPEC = { model: { uri: 'hf://org/model' } };

test('a term begins when the one before has ended, however quickly leadership comes and goes', async () => {
  const { store } = ground();
  const happened: string[] = [];
  const ending = gate();
  let terms = 0;
  const { turn, end } = createTerms(
    store,
    () => undefined,
    async () => {
      terms += 1;
      const term = terms;
      happened.push(`${term} begins`);
      return {
        async stop() {
          if (term === 1) await ending.promise;
          happened.push(`${term} ended`);
        },
      };
    },
  );
  turn(true);
  turn(false);
  turn(true);
  await settled();
  assert.deepEqual(happened, ['1 begins']);
  ending.resolve();
  await end();
  assert.deepEqual(happened, ['1 begins', '1 ended', '2 begins', '2 ended']);
});

test('who is woken is the term that is, and between two terms nobody', async () => {
  const { store } = ground();
  const woken: string[] = [];
  let terms = 0;
  const { turn, end } = createTerms(
    store,
    () => undefined,
    async (termStore: Store) => {
      terms += 1;
      const term = terms;
      termStore.watch(({ name }) => void woken.push(`${name} in term ${term}`));
      return { stop: async () => undefined };
    },
  );
  store.apply(KEY, SPEC);
  turn(true);
  await settled();
  store.apply(KEY, { ...SPEC, replicas: 2 });
  turn(false);
  await settled();
  store.apply(KEY, { ...SPEC, replicas: 3 });
  turn(true);
  await settled();
  store.apply(KEY, { ...SPEC, replicas: 4 });
  await end();
  assert.deepEqual(woken, ['web in term 1', 'web in term 2']);
});

test('a term that cannot begin is told, and the next one may', async () => {
  const errors: string[] = [];
  let begun = 0;
  const { turn, end } = createTerms(
    ground().store,
    (error) => void errors.push(error),
    async () => {
      begun += 1;
      if (begun === 1) throw new Error('a mistake');
      return { stop: async () => undefined };
    },
  );
  turn(true);
  turn(false);
  turn(true);
  await end();
  assert.equal(begun, 2);
  assert.deepEqual(
    errors.map((error) => error.split('\n', 1)[0]),
    ['Error: a mistake'],
  );
});
