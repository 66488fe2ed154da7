/**
 * Embeddings of many images, made batch by batch and kept in a file while a stage works with them: its memory does not grow with their
 * number. The file is the stage's checkpoint, too.
 */
import { Cadence } from '../checkpoint/cadence.js';
import { RowCheckpoint } from '../checkpoint/rows.js';
import type { ImageRows } from '../data/image-set.js';
import type { EmbedOptions, Recogniser } from './embed.js';

export interface Embeddings {
  readonly count: number;
  /** D, the length of one. */
  readonly dimension: number;
  /**
   * Reads consecutive ones from `from` on.
   * @param into filled whole, [n, D]
   * @returns    `into`, unit rows
   */
  read(from: number, into: Float32Array): Float32Array;
}

const pieceBytes = 2 ** 20;

/** All of them in order, some at a time; the rows of a piece hold until the next one. */
export function* piecesOf(
  embeddings: Embeddings,
): Generator<{ first: number; count: number; rows: Float32Array }> {
  const { count: all, dimension } = embeddings;
  const most = Math.max(1, Math.floor(pieceBytes / (4 * dimension)));
  const memory = new Float32Array(Math.min(most, all) * dimension);
  for (let first = 0; first < all; first += most) {
    const count = Math.min(most, all - first);
    yield { first, count, rows: embeddings.read(first, memory.subarray(0, count * dimension)) };
  }
}

class StoredEmbeddings implements Embeddings {
  constructor(
    private readonly file: RowCheckpoint<'embeddings'>,
    readonly dimension: number,
  ) {}

  get count(): number {
    return this.file.count;
  }

  read(from: number, into: Float32Array): Float32Array {
    const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
    this.file.read('embeddings', from, into.length / this.dimension, bytes);
    return into;
  }

  [Symbol.dispose](): void {
    this.file.close();
  }
}

export interface EmbedAllOptions extends EmbedOptions {
  /** Where the embeddings are kept, and what they are called among others there. */
  checkpoint: { folder: string; name: string };
  signal: AbortSignal;
  log: (line: string) => void;
  /** Told the images done. */
  progress?: (done: number) => void;
}

/** Less work than this is done again rather than made to last. */
const worthSavingMilliseconds = 1000;

/** Killed and called again it goes on where its checkpoint ends, to the same bytes. */
export async function embedAll(
  recogniser: Recogniser,
  images: ImageRows,
  { checkpoint, signal, log, progress, ...embed }: EmbedAllOptions,
): Promise<Embeddings & Disposable> {
  const { dimension, batch } = recogniser;
  const { count, width, height } = images;
  const rows = new RowCheckpoint(checkpoint.folder, checkpoint.name, { embeddings: 4 * dimension }, log);
  const resumed = rows.count;
  if (resumed > 0) log(`resuming the embeddings of ${checkpoint.name} at image ${resumed} of ${count}`);
  const begun = performance.now();
  const cadence = new Cadence();
  const pixels = new Uint8Array(Math.min(batch, count) * width * height * 3);
  try {
    progress?.(rows.count);
    while (rows.count < count) {
      if (signal.aborted) {
        rows.save();
        throw signal.reason;
      }
      const part = Int32Array.from({ length: Math.min(batch, count - rows.count) }, (_, i) => rows.count + i);
      const read = images.read(part, pixels.subarray(0, part.length * width * height * 3));
      rows.append({ embeddings: await recogniser.embed(read, width, height, embed) });
      progress?.(rows.count);
      if (cadence.due) await cadence.save(() => rows.save());
    }
    // What follows may be long, too: the embeddings of another set.
    if (rows.count > resumed && performance.now() - begun > worthSavingMilliseconds) rows.save();
  } catch (error) {
    rows.close();
    throw error;
  }
  return new StoredEmbeddings(rows, dimension);
}
