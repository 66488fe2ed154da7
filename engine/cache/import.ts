/**
 * Takes the results of an archive (archive.ts) into the cache. Whoever made it is not trusted with anything but its
 * content: names, sizes, digests and keys are checked, and until all of it has been, nothing is in the cache. What cannot
 * be checked is whether a result came of its stage: import from whom you trust.
 */
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, statfsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Extract as Tar, type Header, extract } from 'tar-stream';
import { type Digest, digestOf } from '../digest.js';
import type { KeyComponents } from '../plan/plan.js';
import { ArchiveReading, whole } from './archive-reading.js';
import { readCode, readResult } from './archived-record.js';
import { type ArchiveList, type Entry, LIST, LIST_BYTES, entriesOf, readList, refused } from './archive.js';
import { listArtifact } from './artifact.js';
import { type LocalCache, isDamaged } from './cache.js';
import { digestsOf } from './inventory.js';
import { readReferences } from './objects.js';
import type { StoredResult } from './results.js';
import { removeTree } from './session.js';
import { CacheError, errno, guarded, inWords } from './trouble.js';

export interface ImportOptions {
  progress?: ((bytes: number, total: number) => void) | undefined;
}

export interface Imported {
  results: number;
  artifacts: number;
  bytes: number;
  /** Results that were there already. */
  known: number;
}

/** Throws a CacheError where the archive is refused or the disk does not take it; then nothing of it is in the cache. */
export async function importArchive(
  cache: LocalCache,
  source: Readable,
  { progress }: ImportOptions = {},
): Promise<Imported> {
  const folder = await cache.session.path('import');
  try {
    return await guarded('import', cache.root, async () => {
      const arrived = await unpack(cache, source, folder, progress);
      return await settle(cache, arrived, folder);
    });
  } finally {
    await removeTree(folder);
  }
}

interface Arrived {
  list: ArchiveList;
  code: Map<string, KeyComponents['codeParts']>;
  results: StoredResult[];
  /** Artifacts that lie in the folder, checked. */
  fresh: Set<Digest>;
}

/** Reads the archive to its end, checking all of it; artifacts that the cache lacks are written to the folder. */
async function unpack(
  cache: LocalCache,
  source: Readable,
  folder: string,
  progress: ImportOptions['progress'],
): Promise<Arrived> {
  const tar = extract();
  const reading = new ArchiveReading(source, tar);
  try {
    const arrived = await unpackEntries(cache, tar, reading, folder, progress);
    await reading.ended;
    return arrived;
  } catch (error) {
    // Where both ends fail, what failed first is in `trouble`.
    const first = reading.trouble ?? error;
    tar.destroy();
    source.destroy();
    await reading.ended;
    throw asRefusal(first);
  }
}

async function unpackEntries(
  cache: LocalCache,
  tar: Tar,
  reading: ArchiveReading,
  folder: string,
  progress: ImportOptions['progress'],
): Promise<Arrived> {
  let arrived: Arrived | undefined;
  let next: IteratorResult<Entry> | undefined;
  let expected: Generator<Entry> | undefined;
  let sum = 0;
  let total = 0;
  let artifact: ArtifactWriter | undefined;
  for await (const stream of tar) {
    const { header } = stream;
    const content = stream as unknown as AsyncIterable<Buffer>;
    if (!arrived) {
      checkHeader(header, { name: LIST });
      const list = readList((await whole(content, LIST_BYTES, LIST)).toString('utf8'));
      arrived = { list, code: new Map(), results: [], fresh: new Set() };
      const entries = [...entriesOf(list)];
      total = entries.reduce((bytes, { size }) => bytes + size, 0);
      reading.allow(entries);
      for (const digest of Object.keys(list.objects) as Digest[]) {
        // Whatever is there already must stay while we rely on it.
        await cache.uses.addOrFail(digest);
        await cache.uses.settled();
        // What is damaged is moved away by the look; what only refers to something damaged is there.
        await cache.objects.trouble(digest);
        if (!existsSync(cache.objectPath(digest))) arrived.fresh.add(digest);
      }
      checkSpace(list, arrived.fresh, cache.root);
      expected = entriesOf(list);
      next = expected.next();
      continue;
    }
    if (next!.done) throw refused(`it holds ${shown(header.name)}, which its list does not name`);
    const entry = next!.value;
    checkHeader(header, entry);
    if (entry.of !== 'object') {
      const text = (await whole(content, entry.size, entry.name)).toString('utf8');
      if (entry.of === 'code') arrived.code.set(entry.digest, readCode(entry.digest, text));
      else arrived.results.push(readResult(entry.key, text));
    } else {
      artifact ??= new ArtifactWriter(
        join(folder, entry.digest),
        entry.digest,
        arrived.fresh.has(entry.digest),
      );
      await artifact.add(entry, content);
    }
    sum += entry.size;
    progress?.(sum, total);
    next = expected!.next();
    if (artifact && (next.done || next.value.of !== 'object' || next.value.digest !== artifact.digest)) {
      artifact.finish();
      artifact = undefined;
    }
  }
  if (!arrived) throw refused('it is empty, or no tar archive');
  if (!next!.done) throw refused(`it ends before ${shown(next!.value.name)}: it was cut short`);
  return arrived;
}

/** Only the file that is expected next: no links, no devices, nothing twice, nothing more. */
function checkHeader(header: Header, { name, size }: { name: string; size?: number }): void {
  if (header.name !== name) throw refused(`it holds ${shown(header.name)} where its list has ${shown(name)}`);
  if (header.type !== 'file')
    throw refused(`${shown(name)} is a ${header.type ?? 'thing of unknown type'}, no file`);
  if (size !== undefined && header.size !== size) {
    throw refused(`${shown(name)} has ${header.size} bytes, and ${size} in its list`);
  }
}

/** One artifact's files, written and hashed as they come; or only read past, where the cache has it. */
class ArtifactWriter {
  private readonly hashes: object[] = [];

  constructor(
    private readonly folder: string,
    readonly digest: Digest,
    private readonly wanted: boolean,
  ) {}

  async add({ file }: Extract<Entry, { of: 'object' }>, content: AsyncIterable<Buffer>): Promise<void> {
    if (!this.wanted) {
      for await (const _ of content);
      return;
    }
    const path = join(this.folder, file.path);
    await mkdir(dirname(path), { recursive: true });
    const hash = createHash('sha256');
    // 'wx': where the file system takes two names for one, the second is refused.
    const out = createWriteStream(path, { flags: 'wx', mode: file.executable ? 0o755 : 0o644 });
    await pipeline(async function* () {
      for await (const piece of content) {
        hash.update(piece);
        yield piece;
      }
    }, out);
    const { path: within, size, executable } = file;
    this.hashes.push({
      path: within,
      size,
      sha256: hash.digest('hex'),
      ...(executable ? { executable } : {}),
    });
  }

  /** Throws where the content is not what its digest says. */
  finish(): void {
    if (!this.wanted) return;
    // In the order of artifact.ts: digests are taken of the sorted list.
    const digest = digestOf('artifact/1', this.hashes);
    if (digest !== this.digest)
      throw refused(`the content of artifact ${this.digest.slice(0, 12)} is not what its digest says`);
  }
}

/** Moves all into the cache: artifacts first, results last, so that no result is ever without its artifacts. */
async function settle(
  cache: LocalCache,
  { list, code, results, fresh }: Arrived,
  folder: string,
): Promise<Imported> {
  const known = new Set(Object.keys(list.objects) as Digest[]);
  const needed = new Set(results.flatMap((result) => digestsOf(result)));
  for (const digest of fresh) {
    const references = readReferences(join(folder, digest));
    if (typeof references === 'string') throw refused(`artifact ${digest.slice(0, 12)}: ${references}`);
    for (const reference of references) needed.add(reference);
  }
  for (const digest of needed) {
    if (known.has(digest)) continue;
    await cache.uses.addOrFail(digest);
    await cache.uses.settled();
    if (await cache.objects.trouble(digest))
      throw refused(`it lacks artifact ${digest.slice(0, 12)}, which a result of it needs`);
  }
  for (const digest of fresh) {
    const place = join(folder, digest);
    await cache.objects.place(digest, place, listArtifact(place, digest.slice(0, 12)));
  }
  let written = 0;
  for (const result of results) {
    // What was made here is as good, and its run is known here.
    const found = await cache.lookup(result.key);
    if (found && !isDamaged(found)) continue;
    const codeParts = code.get(result.components.code) ?? {};
    await cache.uses.addOrFail(result.key, result.components.code);
    await cache.uses.settled();
    await cache.results.write(
      { ...result, components: { ...result.components, codeParts } },
      await cache.session.open(),
      cache.late,
    );
    written++;
  }
  const bytes = [...fresh].reduce((sum, digest) => sum + sizeOf(list, digest), 0);
  return { results: written, artifacts: fresh.size, bytes, known: results.length - written };
}

function sizeOf({ objects }: ArchiveList, digest: Digest): number {
  return objects[digest]!.reduce((sum, { size }) => sum + size, 0);
}

function checkSpace(list: ArchiveList, fresh: ReadonlySet<Digest>, root: string): void {
  const bytes = [...fresh].reduce((sum, digest) => sum + sizeOf(list, digest), 0);
  const { bavail, bsize } = statfsSync(root);
  if (bytes <= bavail * bsize) return;
  throw new CacheError(
    `the archive holds ${inWords(bytes)} that are not in the cache yet, and the disk of ${root} has ${inWords(bavail * bsize)} free`,
    'Free some space there (cemiflow gc), or keep runs on another disk with --runs-dir.',
  );
}

const shown = (name: string) => JSON.stringify(name.slice(0, 200));

/** What is wrong with the archive, in words; what is wrong with the disk goes on as it is. */
function asRefusal(error: unknown): unknown {
  if (error instanceof CacheError) return error;
  const { message } = error as Error;
  const code = errno(error) ?? '';
  if (code === 'EEXIST' || code === 'ENOTDIR') return refused('two of its names are one on this disk', error);
  if (code.startsWith('Z_')) return refused(`its compression is damaged (${message})`, error);
  if (/end of (data|file)|premature/i.test(message))
    return refused('it was cut short, or is no tar archive', error);
  if (/header/i.test(message)) return refused('it is no tar archive, or is damaged', error);
  return error;
}
