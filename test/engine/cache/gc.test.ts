/** What gc lets go and what it leaves, worked out by hand on caches of a few results. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type LocalCache, isDamaged, openCache } from '../../../engine/cache/cache.js';
import { takeInventory } from '../../../engine/cache/inventory.js';
import { thisProcess } from '../../../engine/cache/owner.js';
import { readPins, removePin, writePin } from '../../../engine/cache/pins.js';
import type { Limits } from '../../../engine/cache/retention.js';
import { type RunNeeds, collect, remove } from '../../../engine/cache/sweep.js';
import type { StageKey } from '../../../engine/digest.js';
import type { StageResult } from '../../../engine/plan/plan.js';
import { components, make, someKey, temporaryCache, write } from './rig.js';

const nobody: RunNeeds = { running: () => [], recent: () => [], of: () => [] };
const day = 86_400_000;

/** As another process, which uses nothing itself, sees and sweeps it. */
async function sweep(cache: LocalCache, limits: Limits = {}, runs: Partial<RunNeeds> = {}, dryRun = false) {
  const sweeper = await openCache(cache.root);
  const { choice } = await collect(sweeper, { ...nobody, ...runs }, { limits, dryRun });
  await sweeper.close();
  return choice;
}

/** A result of `bytes` bytes, last used so many days ago, by a process that is gone. */
async function old(cache: LocalCache, seed: number, { bytes = 1000, days = 0 } = {}): Promise<StageResult> {
  const made = await make(cache, {
    components: { seed },
    outputs: { model: { [`${seed}`]: 'x'.repeat(bytes) } },
  });
  const used = (Date.now() - days * day) / 1000;
  utimesSync(cache.results.path(made.key), used, used);
  await cache.close();
  return made;
}

const seedsIn = (cache: LocalCache) =>
  [...takeInventory(cache).results.values()].map(({ result }) => result.components.seed).sort();

describe('gc', () => {
  test('with no limit takes what nobody needs, to the last file, and dead records of code with it', async () => {
    const cache = await temporaryCache();
    await old(cache, 1);
    expect((await sweep(cache)).goes).toMatchObject([{ what: 'result', name: someKey({ seed: 1 }) }]);
    const { bytes, results, objects, code } = takeInventory(cache);
    expect({ bytes, results: results.size, objects: objects.size, code }).toEqual({
      bytes: 0,
      results: 0,
      objects: 0,
      code: [],
    });
    expect(readdirSync(join(cache.root, 'tmp'))).toEqual([]);
    expect(readdirSync(join(cache.root, 'locks'))).toEqual([]);
  });

  test('spares what was used since, also by a look of another run', async () => {
    const cache = await temporaryCache();
    await old(cache, 1, { days: 31 });
    await old(cache, 2, { days: 29 });
    await old(cache, 3, { days: 400 });
    // A hit is a use.
    await cache.lookup(someKey({ seed: 3 }));
    await cache.close();
    const choice = await sweep(cache, { usedSince: Date.now() - 30 * day });
    expect(choice.goes.map(({ name }) => name)).toEqual([someKey({ seed: 1 })]);
    expect(choice.stays.recentlyUsed.units).toBe(2);
    expect(seedsIn(cache)).toEqual([2, 3]);
  });

  test('by size takes the least recently used first, and no more than it must', async () => {
    const cache = await temporaryCache();
    await old(cache, 1, { bytes: 10_000, days: 2 });
    await old(cache, 2, { bytes: 10_000, days: 4 });
    await old(cache, 3, { bytes: 10_000, days: 3 });
    // 30,000 bytes of artifacts and three records of less than 1,000: without the oldest there are 20,000 and two.
    const choice = await sweep(cache, { maxBytes: 23_000 });
    expect(choice.goes.map(({ name }) => name)).toEqual([someKey({ seed: 2 })]);
    expect(choice.bytes - choice.left).toBe(choice.goes[0]!.bytes);
    expect(takeInventory(cache).bytes).toBe(choice.left);
    expect(choice.left).toBeLessThanOrEqual(23_000);
    expect(seedsIn(cache)).toEqual([1, 3]);
    expect((await sweep(cache, { maxBytes: 23_000 })).goes).toEqual([]);
  });

  test('every limit spares: only what all of them let go goes', async () => {
    const cache = await temporaryCache();
    const one = await old(cache, 1, { days: 40 });
    await old(cache, 2, { days: 40 });
    await old(cache, 3, { days: 1 });
    const limits = { usedSince: Date.now() - 30 * day, maxBytes: 0 };
    const choice = await sweep(cache, limits, { recent: () => [one.key, one.outputs['model']!.digest] });
    expect(choice.goes.map(({ name }) => name)).toEqual([someKey({ seed: 2 })]);
    expect(choice.stays).toMatchObject({
      recentRun: { units: 1 },
      recentlyUsed: { units: 1 },
      pinned: { units: 0 },
    });
    expect(choice.left).toBeGreaterThan(0);
  });

  test('says the same on a dry run, and leaves all', async () => {
    const cache = await temporaryCache();
    await old(cache, 1);
    const dry = await sweep(cache, {}, {}, true);
    expect(seedsIn(cache)).toEqual([1]);
    expect(await sweep(cache)).toEqual(dry);
  });

  test('counts a shared artifact once, and takes it only with the last that holds it', async () => {
    const cache = await temporaryCache();
    const outputs = { model: { a: 'x'.repeat(5000) } };
    const [one, two] = [
      await make(cache, { components: { seed: 1 }, outputs }),
      await make(cache, { components: { seed: 2 }, outputs }),
    ];
    await cache.close();
    utimesSync(cache.results.path(one.key), 1000, 1000);
    const first = await sweep(cache, { usedSince: 2_000_000 });
    expect(first.goes[0]!.bytes).toBeLessThan(5000);
    expect(await cache.lookup(two.key)).toEqual(two);
    await cache.close();
    const last = await sweep(cache);
    expect(last.goes[0]!.bytes).toBeGreaterThan(5000);
    expect(takeInventory(cache).objects.size).toBe(0);
  });

  test('leaves what groups refer to as long as there are the groups', async () => {
    const cache = await temporaryCache();
    const images = await make(cache, { components: { seed: 1 }, outputs: { images: { shard: 'pixels' } } });
    const { digest } = images.outputs['images']!;
    const groups = await make(cache, {
      components: { seed: 2 },
      outputs: { groups: { 'groups.json': '{}', 'references.json': JSON.stringify([digest]) } },
    });
    await cache.close();
    utimesSync(cache.results.path(images.key), 1000, 1000);
    const choice = await sweep(cache, { usedSince: 2_000_000 });
    expect(choice.goes.map(({ name }) => name)).toEqual([images.key]);
    expect(choice.objects).toEqual([]);
    expect(await cache.lookup(groups.key)).toEqual(groups);
    await cache.close();
    await sweep(cache);
    expect(takeInventory(cache).objects.size).toBe(0);
  });

  test('weighs artifacts that no result has any more by the time since they are here', async () => {
    const cache = await temporaryCache();
    const first = await make(cache);
    await make(cache, { force: true, outputs: { model: { other: 'bytes' } } });
    await cache.close();
    const { digest } = first.outputs['model']!;
    expect((await sweep(cache, { usedSince: Date.now() - day })).objects).toEqual([]);
    // An earlier run had it, and its report still shows it.
    expect((await sweep(cache, {}, { recent: () => [digest] })).objects).not.toContain(digest);
    const choice = await sweep(cache, { usedSince: Date.now() + day });
    expect(choice.objects).toContain(digest);
    expect(existsSync(cache.objectPath(digest))).toBe(false);
  });

  test('takes checkpoints and leftovers of failed attempts by their age, never those worked on', async () => {
    const cache = await temporaryCache();
    const { attempt } = await cache.beginAttempt(someKey({ seed: 1 }));
    writeFileSync(join(attempt!.checkpoint, 'step'), '10');
    for (const [name, days] of [
      ['checkpoints', 40],
      ['failed', 40],
      ['checkpoints', 1],
    ] as const) {
      const folder = join(cache.root, name, someKey({ seed: days }));
      write(folder, { step: '1234' });
      const then = (Date.now() - days * day) / 1000;
      for (const path of [join(folder, 'step'), folder]) utimesSync(path, then, then);
    }
    const choice = await sweep(cache, { usedSince: Date.now() - 30 * day });
    expect(choice.goes.map(({ what, name, bytes }) => ({ what, name, bytes }))).toEqual(
      ['checkpoint', 'failed'].map((what) => ({ what, name: someKey({ seed: 40 }), bytes: 4 })),
    );
    await sweep(cache);
    expect(readdirSync(join(cache.root, 'checkpoints'))).toEqual([someKey({ seed: 1 })]);
    expect(readdirSync(join(cache.root, 'failed'))).toEqual([]);
    await attempt!.abandon({ keep: false });
  });

  test('removes result files that cannot be trusted any more', async () => {
    const cache = await temporaryCache();
    const { key } = await old(cache, 1);
    writeFileSync(cache.results.path(key), '{"format":');
    expect((await sweep(cache, { usedSince: 0 })).torn).toEqual([key]);
    expect(existsSync(cache.results.path(key))).toBe(false);
  });

  test('a result used under a clock that was ahead is used again by the right one', async () => {
    const cache = await temporaryCache();
    const { key } = await old(cache, 1, { days: -300 });
    await cache.lookup(key);
    await cache.close();
    expect((await sweep(cache, { usedSince: Date.now() + day })).goes).toHaveLength(1);
  });

  test('finds odd things in the folder no reason to fail', async () => {
    const cache = await temporaryCache();
    await old(cache, 1);
    write(cache.root, {
      'checkpoints/notes.txt': 'x',
      'objects/README': 'x',
      'results/ab/x.json': 'x',
      failed: 'x',
    });
    await sweep(cache);
    expect(seedsIn(cache)).toEqual([]);
    expect(existsSync(join(cache.root, 'checkpoints/notes.txt'))).toBe(true);
  });
});

describe('a living process', () => {
  test('keeps what it found until it closes the cache, and so what a forced attempt has since replaced', async () => {
    const cache = await temporaryCache();
    const made = await make(cache);
    await cache.close();
    const user = await openCache(cache.root);
    expect(await user.lookup(made.key)).toEqual(made);
    const again = await make(cache, { force: true, outputs: { model: { other: 'bytes' } } });
    await cache.close();
    const choice = await sweep(cache);
    expect(choice.goes).toEqual([]);
    expect(existsSync(user.objectPath(made.outputs['model']!.digest))).toBe(true);
    expect(await user.lookup(made.key)).toEqual(again);
    await user.close();
    await sweep(cache);
    expect(takeInventory(cache).objects.size).toBe(0);
  });

  test('that only looks keeps nothing', async () => {
    const cache = await temporaryCache();
    const made = await make(cache);
    await cache.close();
    const looker = await openCache(cache.root, { use: false });
    expect(await looker.lookup(made.key)).toEqual(made);
    await sweep(cache);
    expect(await looker.lookup(made.key)).toBeUndefined();
    await looker.close();
  });

  test('that is stopped or works in another container is living; one that died is not', async () => {
    const cache = await temporaryCache();
    const made = await make(cache);
    await cache.close();
    const uses = (name: string, owner: object) =>
      write(join(cache.root, 'tmp', name), {
        'owner.json': JSON.stringify({ ...thisProcess(), ...owner }),
        uses: `\n${made.key}\n${made.outputs['model']!.digest.slice(0, 30)}`,
      });
    uses('elsewhere', { namespace: 'pid:[1]', pid: 2 ** 22 + 1 });
    expect((await sweep(cache)).goes).toEqual([]);
    rmSync(join(cache.root, 'tmp/elsewhere'), { recursive: true });
    uses('dead', { pid: 2 ** 22 + 1 });
    expect((await sweep(cache)).goes).toHaveLength(1);
  });
});

describe('a pin', () => {
  const pin = (name: string, holds: string[], what: 'run' | 'result' = 'result') => ({
    name,
    what,
    label: 'oracle',
    at: '2026-01-02T03:04:05.000Z',
    holds,
  });

  test('holds a result with its artifacts against every limit, until it is taken away', async () => {
    const cache = await temporaryCache();
    const made = await old(cache, 1, { days: 4000 });
    await writePin(cache, pin(made.key, [made.key]));
    expect(readPins(cache)).toEqual([pin(made.key, [made.key])]);
    const choice = await sweep(cache, { maxBytes: 0 });
    expect(choice.goes).toEqual([]);
    expect(choice.stays.pinned.bytes).toBe(choice.left - takeInventory(cache).code[0]!.bytes);
    expect(await removePin(cache, made.key)).toBe(true);
    expect(await removePin(cache, made.key)).toBe(false);
    expect((await sweep(cache)).goes).toHaveLength(1);
  });

  test('on a run holds what the run came to name later, and what it named when its folder is gone', async () => {
    const cache = await temporaryCache();
    const [one, two] = [await old(cache, 1), await old(cache, 2)];
    await old(cache, 3);
    await writePin(cache, pin('20260102-030405-abcd', [one.key], 'run'));
    await sweep(cache, {}, { of: (run) => (run === '20260102-030405-abcd' ? [two.key] : []) });
    expect(seedsIn(cache)).toEqual([1, 2]);
    await sweep(cache);
    expect(seedsIn(cache)).toEqual([1]);
  });

  test('that cannot be read stops gc, which would not know what to leave', async () => {
    const cache = await temporaryCache();
    const made = await old(cache, 1);
    write(cache.root, { 'pins/x.json': '{"format":' });
    await expect(sweep(cache)).rejects.toThrow(/^the pin .*x\.json cannot be read$/);
    expect((await cache.lookup(made.key)) as StageResult).toEqual(made);
    expect(readdirSync(join(cache.root, 'locks'))).toEqual([]);
  });
});

describe('removing by name', () => {
  const rm = async (cache: LocalCache, keys: StageKey[], runs: Partial<RunNeeds> = {}) => {
    const sweeper = await openCache(cache.root);
    const removal = await remove(sweeper, { ...nobody, ...runs }, keys, { dryRun: false });
    await sweeper.close();
    return removal;
  };

  test('takes the artifacts and checkpoints that are theirs alone', async () => {
    const cache = await temporaryCache();
    const outputs = { model: { a: 'shared' }, extra: { b: 'own' } };
    const one = await make(cache, { components: { seed: 1 }, outputs });
    const two = await make(cache, { components: { seed: 2 }, outputs: { model: { a: 'shared' } } });
    await cache.close();
    write(join(cache.root, 'checkpoints', one.key), { step: '1' });
    const { removed } = await rm(cache, [one.key]);
    expect(removed[0]!.objects).toEqual([one.outputs['extra']!.digest]);
    expect(await cache.lookup(one.key)).toBeUndefined();
    expect(await cache.lookup(two.key)).toEqual(two);
    expect(readdirSync(join(cache.root, 'checkpoints'))).toEqual([]);
    await cache.close();
    // Together, what they share goes too.
    const again = await make(cache, { components: { seed: 1 }, outputs });
    await cache.close();
    await rm(cache, [again.key, two.key]);
    expect(takeInventory(cache).objects.size).toBe(0);
  });

  test('refuses what is pinned or in use, and then removes nothing', async () => {
    const cache = await temporaryCache();
    const [one, two, three] = [await old(cache, 1), await old(cache, 2), await old(cache, 3)];
    await writePin(cache, { name: one.key, what: 'result', label: 'x', at: '', holds: [one.key] });
    const user = await openCache(cache.root);
    await user.lookup(two.key);
    expect(await rm(cache, [one.key, two.key, three.key])).toEqual({
      removed: [],
      refused: [
        { key: one.key, why: 'pinned' },
        { key: two.key, why: 'in use by a run that is going on' },
      ],
    });
    expect(seedsIn(cache)).toEqual([1, 2, 3]);
    await user.close();
  });
});

test('a sweep that was killed in the middle leaves no wrong hit, and the next engine clears up', async () => {
  const cache = await temporaryCache();
  const made = await make(cache);
  await cache.close();
  // Killed after it moved the result, before the artifact; and after it moved the artifact of another.
  const dead = join(cache.root, 'tmp/dead');
  mkdirSync(dead);
  write(cache.root, {
    'tmp/dead/owner.json': JSON.stringify({ ...thisProcess(), pid: 2 ** 22 + 1 }),
    'locks/sweep.0': JSON.stringify({ ...thisProcess(), pid: 2 ** 22 + 1 }),
  });
  chmodSync(cache.objectPath(made.outputs['model']!.digest), 0o755);
  renameSync(cache.objectPath(made.outputs['model']!.digest), join(dead, 'swept-1'));
  const next = await openCache(cache.root);
  const found = await next.lookup(made.key);
  expect(isDamaged(found)).toBe(true);
  expect(await make(next, { components: components() })).toMatchObject({ key: made.key });
  expect(await next.lookup(made.key)).toMatchObject({ outputs: made.outputs });
  await next.close();
  expect(readdirSync(join(cache.root, 'tmp'))).toEqual([]);
});
