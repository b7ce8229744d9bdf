import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { Resource } from '../../../src/api/resource.ts';
import { find, value } from '../../contract/store.ts';
import { dyingFiles, refusingFiles } from './broken-files.ts';
import { type DirectoryStore, inScratch, makeScratch, manifest, type Scratch, spec, WEB } from './scratch.ts';

const OLD = { phase: 'Starting', restarts: 1 } as const;
const NEW = { phase: 'Running', restarts: 2, url: 'http://node001:20001' } as const;

type Told = { readonly [Field in keyof Resource]?: Resource[Field] | undefined };

/** A change of the disk, what it begins from, and the two states between which there is no third. */
type Story = {
  readonly prepare: (scratch: Scratch) => Promise<void>;
  readonly change: (store: DirectoryStore, scratch: Scratch) => Promise<unknown>;
  readonly before: Told | undefined;
  readonly after: Told | undefined;
};

const FINALIZERS = ['vllm-slurm.dev/slurm-jobs'];

const STORIES: Readonly<Record<string, Story>> = {
  'writing a status': {
    prepare: withFinalizer,
    change: async (store) => store.writeStatus(await find(store, WEB), NEW),
    before: { uid: 'uid-1', status: OLD, finalizers: FINALIZERS },
    after: { uid: 'uid-1', status: NEW, finalizers: FINALIZERS },
  },
  'marking a removed resource': {
    prepare: async (scratch) => {
      await withFinalizer(scratch);
      await scratch.remove('web.yaml');
    },
    change: (store) => store.refresh(),
    before: { uid: 'uid-1', status: OLD, deletingSinceMs: undefined },
    after: { uid: 'uid-1', status: OLD, deletingSinceMs: 1_700_000_000_000 },
  },
  'releasing the finalizer': {
    prepare: async (scratch) => {
      await withFinalizer(scratch);
      await scratch.remove('web.yaml');
      await (await scratch.open({ clock: still })).close();
    },
    change: async (store) => store.releaseFinalizer(await find(store, WEB)),
    before: { uid: 'uid-1', status: OLD, deletingSinceMs: 1_700_000_000_000 },
    after: undefined,
  },
  'releasing the finalizer of a name that has come back': {
    prepare: async (scratch) => {
      await withFinalizer(scratch);
      await scratch.remove('web.yaml');
      await (await scratch.open({ clock: still })).close();
      await scratch.write('web.yaml', manifest(WEB, spec(4)));
    },
    change: async (store) => store.releaseFinalizer(await find(store, WEB)),
    before: { uid: 'uid-1', status: OLD, deletingSinceMs: 1_700_000_000_000 },
    after: { uid: 'uid-2', status: {}, deletingSinceMs: undefined },
  },
};

const still = { now: () => 1_700_000_000_000, after: () => () => undefined };

for (const [what, story] of Object.entries(STORIES)) {
  test(`a stop at any step of ${what} leaves the old state or the new one`, async () => {
    const outcomes = [];
    for (let stopAt = 0; ; stopAt += 1) {
      const outcome = await stopAtStep(story, stopAt);
      outcomes.push(outcome.state);
      if (outcome.finished) break;
    }
    assert.deepEqual([outcomes.at(0), outcomes.at(-1)], ['old', 'new']);
    assert.deepEqual(outcomes, outcomes.toSorted().reverse());
  });
}

test('a stop at any step of the first start leaves a directory that starts', async () => {
  for (let stopAt = 0; stopAt < 3; stopAt += 1) {
    const scratch = await makeScratch();
    try {
      assert.equal((await scratch.tryOpen({ files: dyingFiles(stopAt).files })).ok, false);
      const store = await scratch.open();
      await store.close();
      assert.equal((await scratch.open()).id, store.id);
    } finally {
      await scratch.dispose();
    }
  }
});

test('a temporary file cut off at any byte is swept away and the old state stands', async () => {
  const scratch = await makeScratch();
  try {
    await withFinalizer(scratch);
    const whole = await scratch.read('web.status.yaml');
    for (let cutAt = 0; cutAt <= Buffer.byteLength(whole); cutAt += 29) {
      const { files } = dyingFiles(0, cutAt);
      const dying = await scratch.open({ files });
      await dying.writeStatus(await find(dying, WEB), NEW);
      await dying.close();
      assert.equal((await scratch.names()).filter((name) => name.endsWith('.tmp')).length, 1);
      const store = await scratch.open();
      assert.deepEqual((await find(store, WEB)).status, OLD);
      await store.close();
      assert.deepEqual(await scratch.names(), ['.vllm-slurm.yaml', 'web.status.yaml', 'web.yaml']);
      assert.equal(await scratch.read('web.status.yaml'), whole);
    }
  } finally {
    await scratch.dispose();
  }
});

test('a status file cut off at any byte is refused, never read as less than it was', async () => {
  const scratch = await makeScratch();
  try {
    await withFinalizer(scratch);
    const whole = Buffer.from(await scratch.read('web.status.yaml'));
    // Without its last line break it is still whole.
    for (let cutAt = 0; cutAt < whole.length - 1; cutAt += 31) {
      await scratch.write('web.status.yaml', whole.subarray(0, cutAt));
      const store = await scratch.open();
      assert.equal((await store.get(WEB)).ok, false, `cut at ${cutAt}`);
      assert.deepEqual(await store.list(), { ok: true, value: [] });
      await store.close();
    }
  } finally {
    await scratch.dispose();
  }
});

inScratch('a full disk refuses the write, keeps the old status and heals by itself', async (scratch) => {
  await withFinalizer(scratch);
  const disk = refusingFiles();
  const store = await scratch.open({ files: disk.files });
  const seen = await find(store, WEB);
  const whole = await scratch.read('web.status.yaml');
  disk.refuse('create', 'ENOSPC');
  assert.deepEqual(await store.writeStatus(seen, NEW), {
    ok: false,
    error: { kind: 'unavailable', message: `${scratch.path}/web.status.yaml cannot be written: the disk is full` },
  });
  assert.equal(await scratch.read('web.status.yaml'), whole);
  assert.deepEqual(await find(store, WEB), seen);
  disk.heal();
  assert.deepEqual(value(await store.writeStatus(seen, NEW)).status, NEW);
});

inScratch('on a disk that cannot be written a removal waits, and is told', async (scratch) => {
  await withFinalizer(scratch);
  const disk = refusingFiles();
  const store = await scratch.open({ files: disk.files });
  await scratch.remove('web.yaml');
  disk.refuse('create', 'EROFS');
  await store.refresh();
  assert.equal((await find(store, WEB)).deletingSinceMs, undefined);
  const why = `${scratch.path}/web.status.yaml cannot be written: the file system is read-only`;
  assert.deepEqual(store.problems(), [{ file: 'default/web', message: `its removal waits: ${why}` }]);
  disk.heal();
  await store.refresh();
  assert.notEqual((await find(store, WEB)).deletingSinceMs, undefined);
  assert.deepEqual(store.problems(), []);
});

async function withFinalizer(scratch: Scratch): Promise<void> {
  await scratch.write('web.yaml', manifest(WEB, spec()));
  const store = await scratch.open({ newId: counting('uid') });
  const held = value(await store.addFinalizer(await find(store, WEB)));
  value(await store.writeStatus(held, OLD));
  await store.close();
  await scratch.write('web.status.yaml', (await scratch.read('web.status.yaml')).replace(held.uid, 'uid-1'));
}

async function stopAtStep(
  story: Story,
  stopAt: number,
): Promise<{ readonly state: string; readonly finished: boolean }> {
  const scratch = await makeScratch();
  try {
    await story.prepare(scratch);
    const disk = dyingFiles(stopAt);
    const dying = await scratch.open({ files: disk.files, clock: still, removalGraceMs: Number.MAX_SAFE_INTEGER });
    await dying.close();
    const again = await scratch.tryOpen({ files: disk.files, clock: still });
    if (again.ok) {
      await story.change(again.value, scratch);
      await again.value.close();
    }
    const finished = !disk.hasStopped();
    const store = await scratch.open({ clock: still, removalGraceMs: Number.MAX_SAFE_INTEGER });
    const now = value(await store.get(WEB));
    await store.close();
    assert.deepEqual(store.problems(), []);
    return {
      state: matches(now, story.after) ? 'new' : matches(now, story.before) ? 'old' : `third: ${JSON.stringify(now)}`,
      finished,
    };
  } finally {
    await scratch.dispose();
  }
}

function matches(now: Resource | undefined, expected: Told | undefined): boolean {
  if (!now || !expected) return now === expected;
  // A resource made anew has a uid nobody could know beforehand.
  const uid = expected.uid === 'uid-2' && now.uid !== 'uid-1' ? 'uid-2' : now.uid;
  const told = Object.keys(expected).map((field) => [field, field === 'uid' ? uid : now[field as keyof Resource]]);
  return isDeepStrictEqual(Object.fromEntries(told), expected);
}

function counting(prefix: string): () => string {
  let count = 0;
  return () => `${prefix}-${++count}-x`;
}
