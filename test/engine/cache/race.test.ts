/** Several engine processes on one cache, and engines that die. Needs the compiled engine (npm run build). */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { isDamaged, openCache } from '../../../engine/cache/cache.js';
import { isHeld, takeLock } from '../../../engine/cache/lock.js';
import { makeLockFile, SpareLockFiles } from '../../../engine/cache/lock-file.js';
import { readOwner, startOf, thisProcess } from '../../../engine/cache/owner.js';
import { verify } from '../../../engine/cache/verify.js';
import { components, make, namesInIndex, someKey, start, temporaryFolder, write } from './rig.js';

const json = JSON.stringify(components());

test('of several engines that want the same result, one makes it and the others get it', async () => {
  const root = temporaryFolder();
  const go = join(root, 'go');
  const engines = ['a', 'b', 'c', 'd'].map((name) =>
    start('engine.mjs', [join(root, 'cache'), json, go, name]),
  );
  await Promise.race(engines.map((engine) => engine.says('wrote')));
  writeFileSync(go, '');
  const said = await Promise.all(engines.map((engine) => engine.ended));
  const maker = /made by (\w)/.exec(said.join(''))?.[1];
  expect(said.filter((text) => text.includes('took'))).toHaveLength(1);
  expect(said.filter((text) => text.includes(`got ${maker}`))).toHaveLength(3);
  expect(readdirSync(join(root, 'cache/locks'))).toEqual([]);
  expect(readdirSync(join(root, 'cache/tmp'))).toEqual([]);
});

test('an engine killed at work holds nobody up: its lock is passed over, its leftovers go, its checkpoint stays', async () => {
  const root = temporaryFolder();
  const cacheRoot = join(root, 'cache');
  const go = join(root, 'go');
  const dead = start('engine.mjs', [cacheRoot, json, go, 'dead']);
  await dead.says('wrote');
  const waiting = start('engine.mjs', [cacheRoot, json, go, 'next']);
  dead.kill();
  await dead.ended;
  const cache = await openCache(cacheRoot);
  expect(await cache.lookup(someKey())).toBeUndefined();
  expect(existsSync(join(cacheRoot, 'checkpoints', someKey(), 'step'))).toBe(true);
  writeFileSync(go, '');
  expect(await waiting.ended).toContain('made by next');
  await openCache(cacheRoot);
  expect(readdirSync(join(cacheRoot, 'tmp'))).toEqual([]);
  expect(readdirSync(join(cacheRoot, 'locks'))).toEqual([]);
  const found = await (await openCache(cacheRoot)).lookup(someKey());
  expect(found).toMatchObject({ by: { run: 'next' } });
});

test('killed at any moment of a commit, nothing partial is ever seen', async () => {
  const root = temporaryFolder();
  const go = join(root, 'go');
  const commit = async (cacheRoot: string, name: string, killAfter?: number) => {
    const engine = start('engine.mjs', [cacheRoot, json, go, name]);
    await engine.says('wrote');
    const before = performance.now();
    writeFileSync(go, '');
    if (killAfter !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, killAfter));
      engine.kill();
    }
    await engine.ended;
    rmSync(go);
    return performance.now() - before;
  };
  const undisturbed = await commit(join(root, 'undisturbed'), 'undisturbed');
  const cacheRoot = join(root, 'cache');
  const seen = { unfinished: 0, finished: 0 };
  // The last one is not killed: on a busy machine no time is sure to be long enough for it.
  for (const share of [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 2, undefined]) {
    await commit(cacheRoot, `killed after ${share}`, share === undefined ? undefined : share * undisturbed);
    const cache = await openCache(cacheRoot);
    expect(readdirSync(join(cacheRoot, 'tmp'))).toEqual([]);
    const found = await cache.lookup(someKey());
    expect(found === undefined || !isDamaged(found)).toBe(true);
    seen[found ? 'finished' : 'unfinished']++;
    expect((await verify(cache, { all: true })).damaged).toEqual([]);
    await cache.close();
    // What this process wrote to save what it had hashed is gone, too.
    expect(readdirSync(join(cacheRoot, 'tmp'))).toEqual([]);
    rmSync(join(cacheRoot, 'results'), { recursive: true, force: true });
  }
  expect(seen.unfinished).toBeGreaterThan(0);
  expect(seen.finished).toBeGreaterThan(0);
});

test.each([
  ['a new file each time', () => makeLockFile],
  ['files that are used again', (folder: string) => new SpareLockFiles(folder).make],
])(
  'many engines that find a dead lock together, with %s: still only one at a time holds it',
  async (_, maker) => {
    const root = temporaryFolder();
    mkdirSync(join(root, 'locks'));
    writeFileSync(
      join(root, 'locks/k.0'),
      JSON.stringify({ ...thisProcess(), pid: 2 ** 22 + 1, started: '1' }),
    );
    const path = join(root, 'locks/k');
    let held = 0;
    let most = 0;
    const turns = Array.from({ length: 12 }, async () => {
      const lock = await takeLock(path, { make: maker(root) });
      held++;
      most = Math.max(most, held);
      await new Promise((resolve) => setTimeout(resolve, 5));
      held--;
      await lock.release();
    });
    await Promise.all(turns);
    expect(most).toBe(1);
    expect(readdirSync(join(root, 'locks'))).toEqual([]);
  },
);

test('the file of a lock that was let go serves the next one, and says nothing of the last', async () => {
  const root = temporaryFolder();
  const { make } = new SpareLockFiles(root);
  const fileOf = (name: string) => join(root, 'locks', `${name}.0`);
  const first = await takeLock(join(root, 'locks/a'), { make });
  first.holdFor(process.pid);
  const { ino } = statSync(fileOf('a'));
  await first.release();
  expect(existsSync(fileOf('a'))).toBe(false);

  const second = await takeLock(join(root, 'locks/b'), { make });
  expect(statSync(fileOf('b')).ino).toBe(ino);
  expect(readOwner(readFileSync(fileOf('b'), 'utf8'))).toMatchObject(thisProcess());
  expect(readFileSync(fileOf('b'), 'utf8')).not.toContain('worker');
  // While it is held there is no other of the name, whoever asks.
  expect(make(fileOf('b'), 'x')).toBeUndefined();
  expect(makeLockFile(fileOf('b'), 'x')).toBeUndefined();
  await second.release();
});

test.each([
  ['with files in it', true],
  ['before there was any in it', false],
])('where the folder of spare files is gone, %s, a lock has a file of its own', async (_, used) => {
  const root = temporaryFolder();
  mkdirSync(join(root, 'spare'));
  const { make } = new SpareLockFiles(join(root, 'spare'));
  if (used) await (await takeLock(join(root, 'locks/a'), { make })).release();
  rmSync(join(root, 'spare'), { recursive: true });
  const lock = await takeLock(join(root, 'locks/a'), { make });
  expect(isHeld(join(root, 'locks/a'))).toBe(true);
  await lock.release();
  expect(readdirSync(join(root, 'locks'))).toEqual([]);
});

test.each([
  ['a dead process', { pid: 2 ** 22 + 1 }],
  ['a process whose number was given again', { started: '1' }],
  ['a boot before this one', { boot: 'another' }],
])('the lock of %s is taken at once', async (_, change) => {
  const path = join(temporaryFolder(), 'k');
  writeFileSync(`${path}.0`, JSON.stringify({ ...thisProcess(), ...change }));
  expect(isHeld(path)).toBe(false);
  const before = performance.now();
  const lock = await takeLock(path);
  expect(performance.now() - before).toBeLessThan(1000);
  expect(isHeld(path)).toBe(true);
  await lock.release();
  expect(isHeld(path)).toBe(false);
});

test('the lock of an attempt that is dead and not buried is taken: some containers bury nobody', async () => {
  // The first program ends once its parent is no shell any more but a sleep, which never waits for it.
  const keeper = spawn('sh', [
    '-c',
    'sh -c \'until grep -q sleep "/proc/$PPID/comm"; do sleep 0.01; done\' & echo $!; exec sleep 60',
  ]);
  onTestFinished(() => void keeper.kill('SIGKILL'));
  const [line] = (await once(keeper.stdout, 'data')) as [Buffer];
  const zombie = Number(line.toString());
  while (!readFileSync(`/proc/${zombie}/stat`, 'utf8').includes(') Z ')) await sleep(10);
  const path = join(temporaryFolder(), 'k');
  const worker = { pid: zombie, started: startOf(zombie) };
  writeFileSync(`${path}.0`, JSON.stringify({ ...thisProcess(), pid: 2 ** 22 + 1, worker }));
  expect(isHeld(path)).toBe(false);
  await (await takeLock(path)).release();
});

test.each([
  ['this very process', {}],
  ['an engine on another machine', { host: `not-${hostname()}`, boot: 'other', pid: 2 ** 22 + 1 }],
  ['an engine in another container', { namespace: 'pid:[1]', pid: 2 ** 22 + 1 }],
  ['a dead engine whose attempt still runs', { pid: 2 ** 22 + 1, worker: { pid: process.pid, started: '' } }],
])('the lock of %s is respected, and waiting for it can be given up', async (_, change) => {
  const path = join(temporaryFolder(), 'k');
  writeFileSync(`${path}.0`, JSON.stringify({ ...thisProcess(), ...change }));
  const stop = new AbortController();
  const waits: unknown[] = [];
  const taken = takeLock(path, {
    signal: stop.signal,
    waiting: (owner) => {
      waits.push(owner?.pid);
      setTimeout(() => stop.abort(new Error('enough')), 300);
    },
  });
  await expect(taken).rejects.toThrow('enough');
  expect(waits).toHaveLength(1);
  expect(readdirSync(join(path, '..'))).toEqual(['k.0']);
});

test('a dead lock that a third engine has healed and left to a fourth meanwhile is not outbid', async () => {
  const path = join(temporaryFolder(), 'k');
  writeFileSync(`${path}.0`, JSON.stringify({ ...thisProcess(), pid: 2 ** 22 + 1 }));
  const stop = new AbortController();
  const taken = takeLock(path, { signal: stop.signal, waiting: () => stop.abort(new Error('enough')) });
  // It has looked, and has not yet made its own file.
  writeFileSync(`${path}.0`, JSON.stringify(thisProcess()));
  await expect(taken).rejects.toThrow('enough');
  expect(readdirSync(join(path, '..'))).toEqual(['k.0']);
});

test('a lock file that was made and never filled is passed over after some seconds', async () => {
  const path = join(temporaryFolder(), 'k');
  writeFileSync(`${path}.0`, '');
  const before = performance.now();
  await (await takeLock(path)).release();
  expect(performance.now() - before).toBeGreaterThan(2000);
  expect(readdirSync(join(path, '..'))).toEqual([]);
});

test('leftovers of dead engines go when a cache is opened; those of living ones stay', async () => {
  const root = temporaryFolder();
  const owner = (change: object) => JSON.stringify({ ...thisProcess(), ...change });
  write(join(root, 'tmp'), {
    'dead/owner.json': owner({ pid: 2 ** 22 + 1 }),
    'dead/outputs-1/model/half': 'x',
    'living/owner.json': owner({}),
    'elsewhere/owner.json': owner({ host: 'x', boot: 'x' }),
    'new/half': '',
  });
  chmodSync(join(root, 'tmp/dead/outputs-1/model'), 0o555);
  // Of an engine elsewhere only the heartbeat tells, by the disk's clock: how late its own says it is, is its own affair.
  utimesSync(join(root, 'tmp/elsewhere/owner.json'), 1000, 1000);
  await (await openCache(root)).close();
  expect(readdirSync(join(root, 'tmp')).sort()).toEqual(['elsewhere', 'living', 'new']);
});

test('two caches of one process learn from each other what was hashed', async () => {
  const root = join(temporaryFolder(), 'cache');
  const [one, two] = [await openCache(root), await openCache(root)];
  const a = await make(one, { outputs: { model: { a: '1' } } });
  const b = await make(two, { components: { seed: 2 }, outputs: { model: { b: '2' } } });
  await one.close();
  await two.close();
  const both = [a, b].flatMap(({ key, outputs }) => [outputs['model']!.digest, `result ${key}`]);
  expect(namesInIndex(root).sort()).toEqual(both.sort());
});
