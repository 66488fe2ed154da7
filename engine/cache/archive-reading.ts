/** Feeds an archive, gzipped or not, to the tar reader, and no more of it than its list announces. */
import { once } from 'node:events';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Extract } from 'tar-stream';
import { type Entry, LIST_BYTES, refused } from './archive.js';

const BLOCK = 512;
/** A header, and an extended one for a long name. */
const HEADER_BYTES = 16 * BLOCK;
/** The end of a tar file, padded as other tools do. */
const TAIL_BYTES = 1024 * 1024;

export class ArchiveReading {
  /** Why it could not be read; set before the tar reader hears of it. */
  trouble: unknown;
  /** Never rejects. */
  readonly ended: Promise<void>;
  private bytes = 0;
  private limit = LIST_BYTES + HEADER_BYTES;

  constructor(source: Readable, tar: Extract) {
    this.ended = this.feed(source, tar);
  }

  /** Once the list is known: an archive that goes on for ever is not read for ever. */
  allow(entries: Iterable<Entry>): void {
    let sum = this.bytes + TAIL_BYTES;
    for (const { size } of entries) sum += HEADER_BYTES + Math.ceil(size / BLOCK) * BLOCK;
    this.limit = sum;
  }

  private async feed(source: Readable, tar: Extract): Promise<void> {
    const closed = once(tar, 'close').catch(() => undefined);
    try {
      for await (const piece of plain(source)) {
        this.bytes += piece.length;
        if (this.bytes > this.limit) throw refused('it is longer than its list says');
        if (tar.destroyed) return;
        if (!tar.write(piece)) await Promise.race([once(tar, 'drain'), closed]);
      }
      tar.end(null);
      await closed;
    } catch (error) {
      if (tar.destroyed) return;
      this.trouble = error;
      tar.destroy(error as Error);
      await closed;
    }
  }
}

/** Gzip is known by its first two bytes: a name may have got lost on the way. */
async function* plain(source: Readable): AsyncGenerator<Buffer> {
  const pieces = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let head = Buffer.alloc(0);
  let ended = false;
  while (head.length < 2 && !ended) {
    const { value, done } = await pieces.next();
    if (done) ended = true;
    else head = Buffer.concat([head, value]);
  }
  const all = async function* () {
    yield head;
    if (!ended) yield* { [Symbol.asyncIterator]: () => pieces };
  };
  if (head[0] !== 0x1f || head[1] !== 0x8b) return yield* all();
  const out = new PassThrough();
  const unzipped = pipeline(all(), createGunzip(), out);
  // It ends `out` with its error, which is thrown below.
  unzipped.catch(() => undefined);
  yield* out as AsyncIterable<Buffer>;
}

/** All of a small entry. Throws where it has more bytes than it may. */
export async function whole(content: AsyncIterable<Buffer>, limit: number, name: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of content) {
    bytes += piece.length;
    if (bytes > limit) throw refused(`${name} is larger than ${limit} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
