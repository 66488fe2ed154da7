/**
 * Taking things out of the cache beside engines that use it: gc and rm. Under the sweep's lock (in-use.ts) it is decided
 * what goes and that is renamed out of sight, in moments; what takes time, removing the files, comes after.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest, StageKey } from '../digest.js';
import type { LocalCache } from './cache.js';
import { startSweep, usedByOthers } from './in-use.js';
import { type Inventory, closure, digestsOf, takeInventory } from './inventory.js';
import { type WaitOptions, isHeld } from './lock.js';
import { readPins } from './pins.js';
import { spendReserve } from './reserve.js';
import { type Choice, type Limits, type Needed, choose } from './retention.js';
import { errno, guarded, isMissing } from './trouble.js';

/** What runs need, as their journals tell: asked for while the lock is held. Keys and digests. */
export interface RunNeeds {
  /** Of runs that are going on. */
  running(): Iterable<string>;
  /** Of runs to be spared, the last ones. */
  recent(): Iterable<string>;
  /** Of one run; empty where its journal is gone. */
  of(run: string): Iterable<string>;
}

export interface SweepOptions extends WaitOptions {
  limits: Limits;
  /** Only say what would go. */
  dryRun: boolean;
}

/** Removes what neither pins nor living engines nor the recent runs need, and the limits do not spare. */
export async function collect(
  cache: LocalCache,
  runs: RunNeeds,
  { limits, dryRun, ...wait }: SweepOptions,
): Promise<{ choice: Choice; inventory: Inventory }> {
  return sweeping(cache, wait, async (inventory) => {
    const choice = choose(inventory, await needs(cache, runs), limits);
    if (!dryRun) {
      const keys = (what: string) =>
        choice.goes.filter((unit) => unit.what === what).map(({ name }) => name as StageKey);
      await takeAway(cache, {
        results: [...choice.torn, ...keys('result')],
        objects: choice.objects,
        checkpoints: keys('checkpoint'),
        failed: keys('failed'),
        code: choice.code,
      });
    }
    return { choice, inventory };
  });
}

/** Holds up all users of the cache while `work` goes on: it must be short. */
export async function sweeping<T>(
  cache: LocalCache,
  wait: WaitOptions,
  work: (inventory: Inventory) => Promise<T>,
): Promise<T> {
  const begin = () =>
    guarded('sweep the cache', cache.root, async () => {
      await cache.session.open();
      return startSweep(cache.root, wait);
    });
  const lock = await begin().catch((error: unknown) => {
    if (isFull(error) && spendReserve(cache.root)) return begin();
    throw error;
  });
  try {
    return await guarded('sweep the cache', cache.root, () => work(takeInventory(cache)));
  } finally {
    await lock.release();
  }
}

const isFull = (error: unknown) => ['ENOSPC', 'EDQUOT'].includes(errno((error as Error).cause) ?? '');

/** All that must stay. Only while the sweep's lock is held is this the whole. */
export async function needs(cache: LocalCache, runs: RunNeeds): Promise<Needed> {
  const pinned = new Set<string>();
  for (const { what, name, holds } of readPins(cache)) {
    for (const held of holds) pinned.add(held);
    if (what === 'run') for (const held of runs.of(name)) pinned.add(held);
  }
  return {
    pinned,
    inUse: new Set([...(await usedByOthers(cache.session)), ...heldKeys(cache.root), ...runs.running()]),
    recentRun: new Set(runs.recent()),
  };
}

/** Keys that a living engine works on. */
function heldKeys(root: string): StageKey[] {
  let names: string[];
  try {
    names = readdirSync(join(root, 'locks'));
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
  const keys = new Set(names.map((name) => name.slice(0, 64)).filter((name) => /^[0-9a-f]{64}$/.test(name)));
  return [...keys].filter((key) => isHeld(join(root, 'locks', key))) as StageKey[];
}

export interface Prey {
  results: readonly StageKey[];
  objects: readonly Digest[];
  checkpoints: readonly StageKey[];
  failed: readonly StageKey[];
  code: readonly string[];
}

/** Renames it out of sight; closing the cache removes it. Results first: without one, its artifacts are only unused. */
export async function takeAway(
  cache: LocalCache,
  { results, objects, checkpoints, failed, code }: Prey,
): Promise<void> {
  const { session, root } = cache;
  for (const key of results) {
    cache.results.forget(key);
    await session.takeAway(cache.results.path(key), 'swept');
  }
  for (const digest of objects) {
    cache.stats.forget(digest);
    await session.takeAway(cache.objectPath(digest), 'swept');
  }
  for (const key of checkpoints) await session.takeAway(join(root, 'checkpoints', key), 'swept');
  for (const key of failed) await session.takeAway(join(root, 'failed', key), 'swept');
  for (const digest of code) await session.takeAway(join(root, 'code', `${digest}.json`), 'swept');
}

/** Either list is empty. */
export interface Removal {
  removed: { key: StageKey; bytes: number; objects: Digest[] }[];
  refused: { key: StageKey; why: string }[];
}

/** Removes these results with the artifacts and checkpoints that are theirs alone: all of them, or none. */
export async function remove(
  cache: LocalCache,
  runs: RunNeeds,
  keys: readonly StageKey[],
  { dryRun, ...wait }: WaitOptions & { dryRun: boolean },
): Promise<Removal> {
  return sweeping(cache, wait, async (inventory) => {
    const { pinned, inUse } = await needs(cache, runs);
    const refused = keys.flatMap((key) => {
      const why = pinned.has(key)
        ? 'pinned'
        : inUse.has(key)
          ? 'in use by a run that is going on'
          : undefined;
      return why === undefined ? [] : [{ key, why }];
    });
    if (refused.length > 0) return { removed: [], refused };
    const going = new Set(keys);
    const staying = [...inventory.results].filter(([key]) => !going.has(key)).map(([, { result }]) => result);
    const kept = closure(inventory, [...staying.flatMap(digestsOf), ...pinned, ...inUse]);
    const gone = new Set<Digest>();
    const removed = keys.map((key) => {
      const item = inventory.results.get(key);
      const objects = [...closure(inventory, item ? digestsOf(item.result) : []).values()].filter(
        ({ digest }) => !kept.has(digest) && !gone.has(digest),
      );
      for (const { digest } of objects) gone.add(digest);
      const unfinished = [...inventory.checkpoints, ...inventory.failed].filter((one) => one.key === key);
      const bytes = [...(item ? [item] : []), ...unfinished, ...objects].reduce(
        (sum, one) => sum + one.bytes,
        0,
      );
      return { key, bytes, objects: objects.map(({ digest }) => digest) };
    });
    const prey = { results: keys, objects: [...gone], checkpoints: keys, failed: keys, code: [] };
    if (!dryRun) await takeAway(cache, prey);
    return { removed, refused };
  });
}
