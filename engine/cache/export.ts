/** Writes results, with all that made them and their artifacts, into one archive (archive.ts). */
import { once } from 'node:events';
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type Pack, pack as tar } from 'tar-stream';
import type { Digest, StageKey } from '../digest.js';
import {
  type ArchiveList,
  type ArchivedFile,
  type Entry,
  FORMAT,
  LIST,
  RECORD_BYTES,
  entriesOf,
} from './archive.js';
import { listArtifact } from './artifact.js';
import { type LocalCache, isDamaged } from './cache.js';
import { type Inventory, closure, digestsOf } from './inventory.js';
import { CacheError } from './trouble.js';

/** These results and those their inputs came from, however far up: a run asks for all of them. */
export function withOrigins(inventory: Inventory, keys: Iterable<StageKey>): Set<StageKey> {
  const makers = new Map<Digest, StageKey[]>();
  for (const [key, { result }] of inventory.results) {
    for (const digest of digestsOf(result)) makers.set(digest, [...(makers.get(digest) ?? []), key]);
  }
  const found = new Set<StageKey>();
  const open = [...keys];
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    const item = inventory.results.get(key);
    if (!item || found.has(key)) continue;
    found.add(key);
    for (const digests of Object.values(item.result.components.inputs)) {
      for (const digest of digests) open.push(...(makers.get(digest) ?? []));
    }
  }
  return found;
}

export interface ExportOptions {
  gzip: boolean;
  progress?: ((bytes: number, total: number) => void) | undefined;
}

export interface Exported {
  results: number;
  artifacts: number;
  /** Of the content, before compression. */
  bytes: number;
}

/**
 * Streams the archive of these results into `out`. They are looked up, and so stay while this goes on.
 * Throws a CacheError where one cannot be used: its stage must run again first.
 */
export async function exportResults(
  cache: LocalCache,
  keys: Iterable<StageKey>,
  inventory: Inventory,
  out: Writable,
  { gzip, progress }: ExportOptions,
): Promise<Exported> {
  const list = await listOf(cache, keys, inventory);
  const entries = [...entriesOf(list)];
  const total = entries.reduce((sum, { size }) => sum + size, 0);
  const pack = tar();
  const stopped = new AbortController();
  // A tar-stream is no stream of Node's own: pipeline() wants one.
  const writing = pipeline([Readable.from(pack), ...(gzip ? [createGzip()] : []), out]).catch(
    (error: unknown) => {
      stopped.abort(error);
      throw error;
    },
  );
  const packing = packAll().catch((error: unknown) => {
    pack.destroy(error as Error);
    throw error;
  });
  await Promise.all([writing, packing]);
  return {
    results: Object.keys(list.results).length,
    artifacts: Object.keys(list.objects).length,
    bytes: total,
  };

  async function packAll(): Promise<void> {
    const text = Buffer.from(JSON.stringify(list));
    await addEntry(pack, { name: LIST, size: text.length }, [text], stopped.signal);
    let bytes = 0;
    for (const entry of entries) {
      await addEntry(pack, entry, contentOf(entry), stopped.signal);
      bytes += entry.size;
      progress?.(bytes, total);
    }
    pack.finalize();
  }

  function contentOf(entry: Entry): Iterable<Buffer> | AsyncIterable<Buffer> {
    if (entry.of === 'code') return [readFileSync(cache.results.partsPath(entry.digest))];
    if (entry.of === 'result') return [readFileSync(cache.results.path(entry.key))];
    const path = join(cache.objectPath(entry.digest), entry.file.path);
    return createReadStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>;
  }
}

async function listOf(
  cache: LocalCache,
  keys: Iterable<StageKey>,
  inventory: Inventory,
): Promise<ArchiveList> {
  const code: Record<string, number> = {};
  const results: Record<string, number> = {};
  const digests = new Set<Digest>();
  for (const key of [...keys].sort()) {
    const found = await cache.lookup(key);
    const stage = inventory.results.get(key)?.result.by.stage ?? key.slice(0, 12);
    if (found === undefined)
      throw new CacheError(`the result of ${stage} has gone`, 'Run its experiment again first.');
    if (isDamaged(found)) {
      throw new CacheError(
        `the result of ${stage} cannot be exported: ${found.damaged[0].detail}`,
        'Run its experiment again first: it makes what is damaged anew.',
      );
    }
    results[key] = sizeOf(cache.results.path(key), stage);
    for (const digest of digestsOf(found)) digests.add(digest);
    const parts = cache.results.partsPath(found.components.code);
    if (statSync(parts, { throwIfNoEntry: false })) code[found.components.code] = sizeOf(parts, stage);
  }
  const objects: Record<string, ArchiveList['objects'][string]> = {};
  for (const digest of [...closure(inventory, digests).keys()].sort()) {
    objects[digest] = listArtifact(cache.objectPath(digest), digest.slice(0, 12)).files.map(
      ({ path, size, executable }) => ({ path, size, ...(executable ? { executable } : {}) }),
    );
  }
  return { format: FORMAT, code, results, objects };
}

function sizeOf(path: string, stage: string): number {
  const { size } = statSync(path);
  if (size > RECORD_BYTES)
    throw new CacheError(
      `the record of ${stage} is too large to be exported (${size} bytes)`,
      'Leave it out.',
    );
  return size;
}

/** Waits until the entry is packed. What would differ from machine to machine (times, owners) is left out. */
async function addEntry(
  pack: Pack,
  { name, size, file }: { name: string; size: number; file?: ArchivedFile },
  content: Iterable<Buffer> | AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<void> {
  const mode = file?.executable ? 0o555 : 0o444;
  const sink = pack.entry({ name, size, mode, mtime: new Date(0), uid: 0, gid: 0, type: 'file' });
  const closed = once(sink, 'close', { signal });
  for await (const piece of content) {
    if (!sink.write(piece)) await once(sink, 'drain', { signal });
  }
  sink.end(null);
  await closed;
}
