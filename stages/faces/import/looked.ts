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

/** By number: what is kept of a photograph in memory is a byte. */
const sights: readonly Sight[] = [
  'face', 'centre_crop', 'as_it_is', 'no_face', 'too_small', 'no_picture', 'unsupported', 'damaged',
]; // prettier-ignore
export const usable: readonly Sight[] = ['face', 'centre_crop', 'as_it_is'];
const isUsable = ({ sight }: Looked): boolean => usable.includes(sight);
const usableNumbers = Uint8Array.from(sights, (sight) => Number(usable.includes(sight)));

/** Photographs of which it is known together how many before them have pixels. */
const counted = 64;

/** Less work than this is done again rather than made to last: two waits for the disk cost as much as some small pictures. */
const savingMilliseconds = 1000;

const pieceBytes = 2 ** 16;

export class LookedStore {
  readonly #sights: Uint8Array;
  /** Rows of pixels before each `counted` photographs. */
  readonly #rowsBefore: Uint32Array;
  #count = 0;
  #used = 0;
  readonly #pixelFile: string;
  readonly #lineFile: string;
  /** Lines of batches whose crops are written, and not yet known to last: bytes, as strings that wait so long would become V8's old garbage. */
  #unsaved = Buffer.alloc(pieceBytes);
  #unsavedBytes = 0;
  #saved = performance.now();

  /**
   * @param folder the stage's checkpoint
   * @param photos how many there are to be looked at
   * @param stride bytes of a crop
   * @param made   what rows depend on beside the stage's key (the device): other rows are thrown away
   */
  constructor(
    folder: string,
    photos: number,
    readonly stride: number,
    made: string,
  ) {
    this.#sights = new Uint8Array(photos);
    this.#rowsBefore = new Uint32Array(Math.ceil(photos / counted));
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
    return photo < this.#count && usableNumbers[this.#sights[photo]!] === 1;
  }

  /** Keeps a batch; now and then, and by `save`, what is kept so far is made to outlast this process. */
  add(batch: readonly { looked: Looked; crop?: Uint8Array }[]): void {
    const crops = batch.flatMap(({ crop }) => (crop ? [crop] : []));
    write(this.#pixelFile, Buffer.concat(crops), 'a', false);
    const looked = batch.map((one) => one.looked);
    this.#keep(`${JSON.stringify(looked)}\n`);
    this.#remember(looked);
    if (performance.now() - this.#saved > savingMilliseconds) this.save();
  }

  /** Crops first, so that no line speaks of pixels that are not there. */
  save(): void {
    if (this.#unsavedBytes > 0) {
      write(this.#pixelFile, '', 'a');
      write(this.#lineFile, this.#unsaved.subarray(0, this.#unsavedBytes), 'a');
      this.#unsavedBytes = 0;
    }
    this.#saved = performance.now();
  }

  #keep(line: string): void {
    const end = this.#unsavedBytes + Buffer.byteLength(line);
    if (end > this.#unsaved.length) this.#unsaved = Buffer.concat([this.#unsaved], 2 * end);
    this.#unsaved.write(line, this.#unsavedBytes);
    this.#unsavedBytes = end;
  }

  /** What is known of each photograph, in order, from the disk. */
  *each(): Generator<Looked> {
    this.save();
    const lines = wholeLines(this.#lineFile);
    lines.next(); // the head
    for (const line of lines) yield* JSON.parse(line) as Looked[];
  }

  /** Pixels of these photographs, uint8 [photos.length, stride]. @param into filled with them, where given */
  read(photos: ArrayLike<number>, into?: Uint8Array): Uint8Array {
    const pixels = into ?? new Uint8Array(photos.length * this.stride);
    const file = openSync(this.#pixelFile, 'r');
    try {
      for (let i = 0; i < photos.length; i++)
        readSync(file, pixels, i * this.stride, this.stride, this.#rowOf(photos[i]!) * this.stride);
    } finally {
      closeSync(file);
    }
    return pixels;
  }

  #rowOf(photo: number): number {
    if (!this.isUsable(photo)) throw new RangeError(`photograph ${photo} has no pixels`);
    let row = this.#rowsBefore[Math.floor(photo / counted)]!;
    for (let i = photo - (photo % counted); i < photo; i++) row += usableNumbers[this.#sights[i]!]!;
    return row;
  }

  /** @returns false, and remembers nothing, where the pixels there are do not reach so far. @param pixels bytes */
  #remember(batch: readonly Looked[], pixels = Infinity): boolean {
    if ((this.#used + batch.filter(isUsable).length) * this.stride > pixels) return false;
    for (const looked of batch) {
      if (this.#count % counted === 0) this.#rowsBefore[this.#count / counted] = this.#used;
      this.#sights[this.#count++] = sights.indexOf(looked.sight);
      if (isUsable(looked)) this.#used++;
    }
    return true;
  }
}

/** With their line feeds; what follows the last one was torn off by a kill. */
function* wholeLines(path: string): Generator<string> {
  const file = openSync(path, 'r');
  try {
    let piece = Buffer.alloc(pieceBytes);
    /** Bytes in it, of a line that has not ended. */
    let begun = 0;
    for (;;) {
      if (begun === piece.length) piece = Buffer.concat([piece], 2 * begun);
      const end = begun + readSync(file, piece, begun, piece.length - begun, null);
      if (end === begun) return;
      let from = 0;
      for (let feed; (feed = piece.subarray(0, end).indexOf(0x0a, from)) >= 0; from = feed + 1)
        yield piece.toString('utf8', from, feed + 1);
      piece.copyWithin(0, from, end);
      begun = end - from;
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
