/**
 * What looking at each photograph gave, kept in the checkpoint: a row of pixels for each face that can be used, and a line of
 * JSON for each batch of files. An attempt that was killed goes on after the last batches that were saved, to the same bytes.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/** How a file became a crop, or why it did not. */
export type Sight =
  | 'face'
  /** No face found: the central crop. */
  | 'centre_crop'
  /** align: crop or none, where nobody looks for faces. */
  | 'as_it_is'
  | 'no_face'
  | 'too_small'
  | 'no_picture'
  /** A picture of a format that is not read here. */
  | 'unsupported'
  | 'damaged';

export interface Looked {
  sight: Sight;
  /** What the decoder said. */
  message?: string;
  width?: number;
  height?: number;
  /** Faces in the picture, the detector's confidence in the one taken, its box (left, top, right, bottom, pixels), and the border it took to find it. */
  faces?: number;
  score?: number;
  box?: number[];
  border?: number;
}

/** By number: what is kept of a photograph in memory is a byte, and the row of its pixels. */
const sights: readonly Sight[] = [
  'face', 'centre_crop', 'as_it_is', 'no_face', 'too_small', 'no_picture', 'unsupported', 'damaged',
]; // prettier-ignore
export const usable: readonly Sight[] = ['face', 'centre_crop', 'as_it_is'];
const isUsable = ({ sight }: Looked): boolean => usable.includes(sight);

/** Less work than this is done again rather than made to last: two waits for the disk cost as much as some small pictures. */
const savingMilliseconds = 1000;

export class LookedStore {
  #sights = new Uint8Array(1024);
  /** Row of each photograph's pixels; -1 where it has none. */
  #rows = new Int32Array(1024);
  #count = 0;
  #used = 0;
  readonly #pixelFile: string;
  readonly #lineFile: string;
  /** Of batches whose crops are written, and not yet known to last. */
  #unsaved: string[] = [];
  #saved = performance.now();

  /**
   * @param folder the stage's checkpoint
   * @param stride bytes of a crop
   * @param made   what rows depend on beside the stage's key (the device): other rows are thrown away
   */
  constructor(
    folder: string,
    readonly stride: number,
    made: string,
  ) {
    this.#pixelFile = join(folder, 'crops.bin');
    this.#lineFile = join(folder, 'looked.jsonl');
    const head = `${JSON.stringify({ made })}\n`;
    const pixels = existsSync(this.#pixelFile) ? statSync(this.#pixelFile).size : 0;
    let kept = 0;
    for (const line of existsSync(this.#lineFile) ? wholeLines(this.#lineFile) : []) {
      if (kept === 0 ? line !== head : !this.#remember(JSON.parse(line) as Looked[], pixels)) break;
      kept += Buffer.byteLength(line);
    }
    write(this.#lineFile, '', 'a');
    truncateSync(this.#lineFile, kept);
    if (kept === 0) write(this.#lineFile, head, 'a');
    write(this.#pixelFile, '', 'a');
    truncateSync(this.#pixelFile, this.#used * stride);
  }

  /** Photographs that were looked at. */
  get count(): number {
    return this.#count;
  }

  /** Those that have pixels. */
  get usable(): number {
    return this.#used;
  }

  sight(photo: number): Sight {
    return sights[this.#sights[photo]!]!;
  }

  /** Whether it has pixels. */
  isUsable(photo: number): boolean {
    return this.#rows[photo]! >= 0;
  }

  /** Keeps a batch; now and then, and by `save`, what is kept so far is made to outlast this process. */
  add(batch: readonly { looked: Looked; crop?: Uint8Array }[]): void {
    const crops = batch.flatMap(({ crop }) => (crop ? [crop] : []));
    write(this.#pixelFile, Buffer.concat(crops), 'a', false);
    const looked = batch.map((one) => one.looked);
    this.#unsaved.push(`${JSON.stringify(looked)}\n`);
    this.#remember(looked);
    if (performance.now() - this.#saved > savingMilliseconds) this.save();
  }

  /** Crops first, so that no line speaks of pixels that are not there. */
  save(): void {
    if (this.#unsaved.length > 0) {
      write(this.#pixelFile, '', 'a');
      write(this.#lineFile, this.#unsaved.join(''), 'a');
      this.#unsaved = [];
    }
    this.#saved = performance.now();
  }

  /** What is known of each photograph, in order, from the disk. */
  *each(): Generator<Looked> {
    this.save();
    const lines = wholeLines(this.#lineFile);
    lines.next(); // the head
    for (const line of lines) yield* JSON.parse(line) as Looked[];
  }

  /** Pixels of these photographs, uint8 [photos.length, stride]. */
  read(photos: readonly number[]): Uint8Array {
    const pixels = new Uint8Array(photos.length * this.stride);
    const file = openSync(this.#pixelFile, 'r');
    try {
      photos.forEach((photo, i) => {
        const row = this.#rows[photo]!;
        if (row < 0) throw new RangeError(`photograph ${photo} has no pixels`);
        readSync(file, pixels, i * this.stride, this.stride, row * this.stride);
      });
    } finally {
      closeSync(file);
    }
    return pixels;
  }

  /** @returns false, and remembers nothing, where the pixels there are do not reach so far. @param pixels bytes */
  #remember(batch: readonly Looked[], pixels = Infinity): boolean {
    if ((this.#used + batch.filter(isUsable).length) * this.stride > pixels) return false;
    for (const looked of batch) {
      if (this.#count === this.#sights.length) {
        const [sights, rows] = [this.#sights, this.#rows];
        this.#sights = new Uint8Array(2 * this.#count);
        this.#rows = new Int32Array(2 * this.#count);
        this.#sights.set(sights);
        this.#rows.set(rows);
      }
      this.#sights[this.#count] = sights.indexOf(looked.sight);
      this.#rows[this.#count++] = isUsable(looked) ? this.#used++ : -1;
    }
    return true;
  }
}

const pieceBytes = 2 ** 16;

/** With their line feeds; what follows the last one was torn off by a kill. */
function* wholeLines(path: string): Generator<string> {
  const file = openSync(path, 'r');
  try {
    let rest = Buffer.alloc(0);
    for (;;) {
      const piece = Buffer.alloc(pieceBytes);
      const got = readSync(file, piece);
      if (got === 0) return;
      rest = Buffer.concat([rest, piece.subarray(0, got)]);
      let from = 0;
      for (let feed; (feed = rest.indexOf(0x0a, from)) >= 0; from = feed + 1)
        yield rest.toString('utf8', from, feed + 1);
      rest = rest.subarray(from);
    }
  } finally {
    closeSync(file);
  }
}

/** @param lasting whether to wait until it is on the disk, with all that was written before */
function write(path: string, content: string | Uint8Array, flag: 'a' | 'w', lasting = true): void {
  const file = openSync(path, flag);
  try {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    for (let from = 0; from < bytes.length;) from += writeSync(file, bytes, from);
    if (lasting) fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
