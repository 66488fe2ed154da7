/**
 * What the cache holds, item by item, with sizes and last uses: what `cache ls` shows, gc weighs and export gathers.
 * A look, not a check: damage is found by `lookup` and `verify`.
 */
import { type Stats, lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest, StageKey } from '../digest.js';
import type { StageResult } from '../plan/plan.js';
import type { LocalCache } from './cache.js';
import { isMissing } from './trouble.js';

export interface ResultItem {
  result: StageResult;
  /** Of its own small file, without its artifacts. */
  bytes: number;
  /** Last use, milliseconds since 1970. */
  used: number;
}

export interface ObjectItem {
  digest: Digest;
  /** 0 where a result names it and its folder is gone. */
  bytes: number;
  /** Since when it is here, milliseconds since 1970. */
  since: number;
  references: readonly Digest[];
}

/** A folder of work that did not end well, under its key. */
export interface UnfinishedItem {
  key: StageKey;
  bytes: number;
  used: number;
}

export interface CodeItem {
  /** Of the code. */
  digest: string;
  bytes: number;
}

export interface Inventory {
  results: ReadonlyMap<StageKey, ResultItem>;
  /** Result files that cannot be trusted any more: they are of no use. */
  torn: readonly { key: StageKey; detail: string; bytes: number }[];
  objects: ReadonlyMap<Digest, ObjectItem>;
  checkpoints: readonly UnfinishedItem[];
  /** What failed attempts wrote. */
  failed: readonly UnfinishedItem[];
  code: readonly CodeItem[];
  /** All of it. */
  bytes: number;
}

export function takeInventory(cache: LocalCache): Inventory {
  const results = new Map<StageKey, ResultItem>();
  const torn: Inventory['torn'][number][] = [];
  const sizes = new Map<Digest, number>();
  for (const key of cache.results.keys()) {
    const file = statOf(cache.results.path(key));
    const read = cache.results.read(key);
    // Swept or replaced since its name was read.
    if (!file || !read) continue;
    if ('torn' in read) {
      torn.push({ key, detail: read.torn, bytes: file.size });
      continue;
    }
    results.set(key, { result: read.result, bytes: file.size, used: file.mtimeMs });
    for (const { digest, bytes } of Object.values(read.result.outputs)) sizes.set(digest, bytes);
  }
  const objects = new Map<Digest, ObjectItem>();
  for (const digest of cache.objects.all()) {
    const path = cache.objectPath(digest);
    const folder = statOf(path);
    if (!folder) continue;
    const references = cache.objects.references(digest);
    objects.set(digest, {
      digest,
      bytes: sizes.get(digest) ?? weigh(path).bytes,
      since: folder.ctimeMs,
      // A file that cannot be read makes the object damaged, and protects nothing.
      references: typeof references === 'string' ? [] : references,
    });
  }
  const [checkpoints, failed] = [unfinished(cache, 'checkpoints'), unfinished(cache, 'failed')];
  const code = names(join(cache.root, 'code'))
    .filter((name) => /^[0-9a-f]{64}\.json$/.test(name))
    .map((name) => ({
      digest: name.slice(0, 64),
      bytes: statOf(join(cache.root, 'code', name))?.size ?? 0,
    }));
  const items = [...results.values(), ...torn, ...objects.values(), ...checkpoints, ...failed, ...code];
  return {
    results,
    torn,
    objects,
    checkpoints,
    failed,
    code,
    bytes: items.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

function unfinished(cache: LocalCache, folder: 'checkpoints' | 'failed'): UnfinishedItem[] {
  return names(join(cache.root, folder))
    .filter((name) => /^[0-9a-f]{64}$/.test(name))
    .map((key) => {
      const { bytes, newest } = weigh(join(cache.root, folder, key));
      return { key: key as StageKey, bytes, used: newest };
    });
}

/** These artifacts and all that they refer to, through however many references. Only what is there. */
export function closure(
  { objects }: Pick<Inventory, 'objects'>,
  digests: Iterable<string>,
): Map<Digest, ObjectItem> {
  const found = new Map<Digest, ObjectItem>();
  const open = [...digests] as Digest[];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const item = objects.get(next);
    if (!item || found.has(next)) continue;
    found.set(next, item);
    open.push(...item.references);
  }
  return found;
}

export const digestsOf = ({ outputs }: Pick<StageResult, 'outputs'>): Digest[] =>
  Object.values(outputs).map(({ digest }) => digest);

/** Whatever a folder holds: also what no artifact may, and what vanishes meanwhile. `newest` in milliseconds since 1970. */
function weigh(folder: string): { bytes: number; newest: number } {
  let bytes = 0;
  let newest = 0;
  const open = [folder];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const stat = statOf(path);
    if (!stat) continue;
    newest = Math.max(newest, stat.mtimeMs);
    if (stat.isDirectory()) for (const name of names(path)) open.push(join(path, name));
    else bytes += stat.size;
  }
  return { bytes, newest };
}

const statOf = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });

function names(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (isMissing(error) || !statSync(folder).isDirectory()) return [];
    throw error;
  }
}
