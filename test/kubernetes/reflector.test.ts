import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { KubernetesObject } from '../../src/kubernetes/object.ts';
import { createReflector, type Reflector } from '../../src/kubernetes/reflector.ts';
import { err, ok } from '../../src/result.ts';
import { createManualClock, type ManualClock } from '../gen/manual-clock.ts';
import { type HandDriven, handDriven, object } from './cluster.ts';

const GONE = { kind: 'refused', code: 410, reason: 'Expired', message: 'too old' } as const;
const DOWN = { kind: 'unreachable', message: 'connect ECONNREFUSED' } as const;

describe('a reflector', () => {
  let clock: ManualClock;
  let api: HandDriven;
  let reflector: Reflector;
  let news: string[];

  beforeEach(() => {
    clock = createManualClock();
    api = handDriven();
    news = [];
    api.lists(ok([object('a', 5), object('b', 7)]), '10');
  });
  afterEach(async () => {
    await reflector.close();
  });

  const nameOf = (seen: KubernetesObject | undefined): string =>
    seen ? `${seen.metadata.name}@${seen.metadata.resourceVersion}` : '-';
  async function start(): Promise<void> {
    reflector = createReflector({
      api,
      path: '/things',
      clock,
      random: () => 0.5,
      changed: (before, after) => void news.push(`${nameOf(before)} → ${nameOf(after)}`),
      log: () => undefined,
    });
    await clock.advance(0);
  }
  const held = () => reflector.cache.all().map(nameOf).sort();
  const event = (type: string, body: object) => api.tell({ type, object: body });
  /** From which versions watches were opened. */
  const from = () => api.watches.map(({ query }) => query.resourceVersion);

  test('lists, then watches from the version of the list, with bookmarks', async () => {
    await start();
    assert.deepEqual(held(), ['a@5', 'b@7']);
    assert.deepEqual(news, ['- → a@5', '- → b@7']);
    const { resourceVersion, allowWatchBookmarks, timeoutSeconds } = api.watches[0]?.query ?? {};
    assert.deepEqual(
      { resourceVersion, allowWatchBookmarks, timeoutSeconds },
      { resourceVersion: '10', allowWatchBookmarks: 'true', timeoutSeconds: '300' },
    );
  });

  test('follows what the watch tells, and nothing twice', async () => {
    await start();
    news.length = 0;
    event('MODIFIED', object('a', 11));
    event('MODIFIED', object('a', 11));
    event('ADDED', object('c', 12));
    event('DELETED', object('b', 13));
    assert.deepEqual(held(), ['a@11', 'c@12']);
    assert.deepEqual(news, ['a@5 → a@11', '- → c@12', 'b@7 → -']);
  });

  test('a watch that ends in its time goes on from the last event or bookmark, without a list', async () => {
    await start();
    event('MODIFIED', object('a', 11));
    event('BOOKMARK', { metadata: { resourceVersion: '40' } });
    await clock.advance(240_000);
    api.ends();
    await clock.advance(0);
    assert.deepEqual(from(), ['10', '40']);
    assert.equal(api.requests.length, 1);
  });

  test('a version that is too old leads to a new list, and what vanished meanwhile is told', async () => {
    for (const how of ['as an event', 'as an answer'] as const) {
      api = handDriven();
      api.lists(ok([object('a', 5), object('b', 7)]), '10');
      await start();
      news.length = 0;
      api.lists(ok([object('b', 55)]), '60');
      if (how === 'as an event') event('ERROR', { code: 410, reason: 'Expired', message: 'too old' });
      else api.ends(err(GONE));
      await clock.advance(0);
      assert.deepEqual([how, held(), news, from()], [how, ['b@55'], ['a@5 → -', 'b@7 → b@55'], ['10', '60']]);
      if (how === 'as an event') await reflector.close();
    }
  });

  test('a server that is away is asked again and again, less and less often, and never for ever in vain', async () => {
    await start();
    api.lists(err(DOWN));
    api.ends(err(GONE));
    await clock.advance(600_000);
    const asked = api.requests.length;
    assert.ok(asked > 60 && asked < 120, `${asked} lists in ten minutes`);
    assert.deepEqual(reflector.trouble(), DOWN);
    assert.ok(reflector.behindMs() >= 600_000);
    assert.deepEqual(held(), ['a@5', 'b@7']);
    api.lists(ok([object('a', 70)]), '80');
    await clock.advance(15_000);
    assert.deepEqual([held(), reflector.trouble()], [['a@70'], undefined]);
  });

  test('a watch that is cut as soon as it begins is not opened in a hot loop', async () => {
    await start();
    for (let ms = 0; ms < 60_000; ms += 100) {
      api.ends();
      await clock.advance(100);
    }
    assert.ok(api.watches.length < 20, `${api.watches.length} watches in a minute`);
  });

  test('however well the watch does, everything is listed again from time to time', async () => {
    await start();
    for (let minutes = 0; minutes < 60; minutes += 1) {
      api.ends();
      await clock.advance(60_000);
    }
    assert.ok(api.requests.length >= 11 && api.requests.length <= 13, `${api.requests.length} lists in an hour`);
  });

  test('a list beside the watch is at once what is known, and a watch that lags behind it takes nothing back', async () => {
    await start();
    news.length = 0;
    api.lists(ok([object('a', 30), object('c', 35)]), '40');
    assert.deepEqual(await reflector.refresh(), ok(undefined));
    assert.deepEqual(
      [held(), news],
      [
        ['a@30', 'c@35'],
        ['b@7 → -', 'a@5 → a@30', '- → c@35'],
      ],
    );
    news.length = 0;
    event('MODIFIED', object('b', 12));
    event('MODIFIED', object('a', 20));
    event('DELETED', object('b', 25));
    assert.deepEqual([held(), news], [['a@30', 'c@35'], []]);
    event('ADDED', object('b', 41, { uid: 'uid-another' }));
    assert.deepEqual(held(), ['a@30', 'b@41', 'c@35']);
    api.lists(err(DOWN));
    assert.deepEqual(await reflector.refresh(), err(DOWN));
  });

  test('an answer to our own write and the watch tell the same in any order, and the cache goes forward only', async () => {
    await start();
    news.length = 0;
    reflector.cache.wrote(KubernetesObject.parse(object('a', 20)));
    event('MODIFIED', object('a', 15));
    event('MODIFIED', object('a', 20));
    assert.deepEqual([held(), news], [['a@20', 'b@7'], []]);
  });

  test('what a write of ours let go does not come back by older news, and a new one of its name does', async () => {
    await start();
    const [a] = reflector.cache.all();
    assert.ok(a);
    reflector.cache.letGo(a);
    event('MODIFIED', object('a', 19));
    assert.deepEqual(held(), ['b@7']);
    event('DELETED', object('a', 20));
    event('ADDED', object('a', 21, { uid: 'uid-another' }));
    assert.deepEqual(held(), ['a@21', 'b@7']);
  });
});
