/** gc beside engines at work, in processes of their own. Needs the compiled engine (npm run build). */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openCache } from '../../../engine/cache/cache.js';
import { startSweep } from '../../../engine/cache/in-use.js';
import { takeInventory } from '../../../engine/cache/inventory.js';
import { verify } from '../../../engine/cache/verify.js';
import { make, someKey, start, temporaryCache, temporaryFolder } from './rig.js';

interface User {
  rounds: number;
  found: number;
  made: number;
  lost: string[];
}

test('sweepers that take all they may never take what an engine has found, made or refers to', async () => {
  const root = temporaryFolder();
  const cacheRoot = join(root, 'cache');
  const stop = join(root, 'stop');
  const users = ['1', '2'].map((number) => start('user.mjs', [cacheRoot, stop, number]));
  const sweepers = [1, 2].map(() => start('sweeper.mjs', [cacheRoot, stop]));
  await sleep(6000);
  writeFileSync(stop, '');
  const used = (await Promise.all(users.map(({ ended }) => ended))).map((text) => JSON.parse(text) as User);
  const swept = (await Promise.all(sweepers.map(({ ended }) => ended))).map(
    (text) => JSON.parse(text) as { sweeps: number; removed: number; spared: number },
  );
  expect(used.flatMap(({ lost }) => lost)).toEqual([]);
  // The race took place: the same things were found, spared, removed and made again, many times.
  const sum = (of: (User | (typeof swept)[number])[], name: string) =>
    of.reduce((total, one) => total + (one as unknown as Record<string, number>)[name]!, 0);
  for (const name of ['rounds', 'found', 'made']) expect([name, sum(used, name) > 5]).toEqual([name, true]);
  for (const name of ['sweeps', 'removed', 'spared'])
    expect([name, sum(swept, name) > 5]).toEqual([name, true]);
  const cache = await openCache(cacheRoot);
  expect(await verify(cache, { all: true })).toMatchObject({ damaged: [], unusable: [] });
  await cache.close();
  expect(readdirSync(join(cacheRoot, 'tmp'))).toEqual([]);
  expect(readdirSync(join(cacheRoot, 'locks'))).toEqual([]);
});

test('who looks while a sweep is under way waits for its end, and sees what it has left', async () => {
  const cache = await temporaryCache();
  const made = await make(cache);
  await cache.close();
  const sweep = await startSweep(cache.root);
  const user = await openCache(cache.root);
  let done = false;
  const looking = user.lookup(made.key).finally(() => (done = true));
  const beginning = user.beginAttempt(someKey({ seed: 2 })).finally(() => (done = true));
  await sleep(200);
  expect(done).toBe(false);
  await cache.session.takeAway(cache.results.path(made.key), 'swept');
  await sweep.release();
  expect(await looking).toBeUndefined();
  const { attempt } = await beginning;
  expect(existsSync(attempt!.checkpoint)).toBe(true);
  await attempt!.abandon({ keep: false });
  await user.close();
});

test('two sweeps at once take turns, and both end well', async () => {
  const cache = await temporaryCache();
  for (const seed of [1, 2, 3])
    await make(cache, { components: { seed }, outputs: { model: { a: `${seed}` } } });
  await cache.close();
  const stop = join(cache.root, 'stop');
  const sweepers = [1, 2, 3].map(() => start('sweeper.mjs', [cache.root, stop]));
  while (takeInventory(cache).results.size > 0) await sleep(20);
  writeFileSync(stop, '');
  const said = await Promise.all(sweepers.map(({ ended }) => ended));
  const removed = said.map((text) => (JSON.parse(text) as { removed: number }).removed);
  expect(removed.reduce((sum, count) => sum + count)).toBe(3);
});
