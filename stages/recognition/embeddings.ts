/**
 * Embeddings of many images, made batch by batch and kept in a file while a stage works with them: its memory does not grow with their
 * number. The file is the stage's checkpoint, too.
 */
import { DataWait } from '../batches/data-wait.js';
import { Prefetch } from '../batches/prefetch.js';
import { Cadence } from '../checkpoint/cadence.js';
import { deviceFolder } from '../checkpoint/device-folder.js';
import { RowCheckpoint } from '../checkpoint/rows.js';
import type { StageContext } from '../contract.js';
import type { ImageRows } from '../data/image-set.js';
import type { Device } from '../tensors/device.js';
import type { EmbedOptions, Recogniser } from './embed.js';
import { batchesOf, type EmbedBatch, EmbedBatches, type EmbedRecipe } from './embed-batches.js';

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
}

export interface EmbedAllOptions extends EmbedOptions {
  /** The checkpoint's: where embeddings are kept, by the names of the sets. */
  folder: string;
  signal: AbortSignal;
  log: (line: string) => void;
  /** Told the images done, of all sets, and which set they are of. */
  progress?: (done: number, total: number, name: string) => void;
  /** Told the share of the time in which the device waited for images, in [0, 1]. */
  waited?: (share: number) => void;
}

/** Of a stage that tells its progress in images, and metric data_wait. */
export function embedOptionsOf<Settings>(
  context: StageContext<Settings>,
  device: Device,
): Omit<EmbedAllOptions, 'flip'> {
  return {
    folder: deviceFolder(context, device),
    signal: context.signal,
    log: context.log,
    progress: (done, total) => context.progress(done, total),
    waited: (share) => context.metric('data_wait', share),
  };
}

/** Less work than this is done again rather than made to last. */
const worthSavingMilliseconds = 1000;
/** For fewer batches a thread costs more than it saves. */
const worthThread = 4;

/**
 * Of each set, by its name. Images are read in a thread while the device computes. Killed and called again it goes on where its
 * checkpoint ends, to the same bytes.
 */
export async function embedAll<Name extends string>(
  recogniser: Recogniser,
  sets: Readonly<Record<Name, ImageRows>>,
  { folder, signal, log, progress, waited, flip = false }: EmbedAllOptions,
): Promise<Readonly<Record<Name, Embeddings>> & Disposable> {
  const { dimension, batch } = recogniser;
  const files = new Map<Name, RowCheckpoint<'embeddings'>>();
  const close = () => files.forEach((rows) => rows.close());
  try {
    const parts = Object.entries<ImageRows>(sets).map(([name, images]) => {
      const rows = new RowCheckpoint(folder, name, { embeddings: 4 * dimension }, log);
      files.set(name as Name, rows);
      if (rows.count > 0) log(`resuming the embeddings of ${name} at image ${rows.count} of ${images.count}`);
      return { name, rows, images, first: rows.count };
    });
    const total = parts.reduce((sum, { images }) => sum + images.count, 0);
    const settings = { batch, flip };
    const here = new EmbedBatches(parts, settings);
    const recipe: EmbedRecipe = {
      sets: parts.map(({ images, first }) => ({ images: images.place, first })),
      settings,
    };
    const threads = here.steps < worthThread ? 0 : 1;
    const program = new URL('./embed-worker.js', import.meta.url);
    await using batches = new Prefetch<EmbedBatch>(program, recipe, { threads, here, ahead: 2 });
    batches.begin(0, here.steps);

    const wait = new DataWait();
    const cadence = new Cadence();
    let before = 0;
    for (const { name, rows, images, first } of parts) {
      const { count, width, height } = images;
      const begun = performance.now();
      progress?.(before + rows.count, total, name);
      for (let left = batchesOf({ images, first }, batch); left > 0; left--) {
        if (signal.aborted) {
          rows.save();
          throw signal.reason;
        }
        const asked = performance.now();
        const next = await batches.take();
        wait.add(performance.now() - asked);
        const size = { count: Math.min(batch, count - rows.count), width, height };
        rows.append({ embeddings: await recogniser.embedBatch(next, size) });
        batches.giveBack(next);
        progress?.(before + rows.count, total, name);
        if (cadence.due) await cadence.save(() => rows.save());
      }
      // What follows may be long, too: the embeddings of another set.
      if (rows.count > first && performance.now() - begun > worthSavingMilliseconds) rows.save();
      before += count;
    }
    if (here.steps > 0) waited?.(wait.share);
  } catch (error) {
    close();
    throw error;
  }
  const stored = Object.fromEntries(
    [...files].map(([name, rows]) => [name, new StoredEmbeddings(rows, dimension)]),
  );
  return Object.assign(stored as unknown as Record<Name, Embeddings>, { [Symbol.dispose]: close });
}
