/**
 * What looking at each photograph gave, kept in the checkpoint: a row of pixels for each face that can be used, and a line of
 * JSON for each file. An attempt that was killed goes on after the last whole batch, to the same bytes.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
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

const usable: readonly Sight[] = ['face', 'centre_crop', 'as_it_is'];
export const isUsable = ({ sight }: Looked): boolean => usable.includes(sight);

export class LookedStore {
  readonly looked: Looked[] = [];
  /** Row of each photograph's pixels; -1 where it has none. */
  readonly rows: number[] = [];
  readonly #pixelFile: string;
  readonly #lineFile: string;
  #used = 0;

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
    const lines = existsSync(this.#lineFile) ? readFileSync(this.#lineFile, 'utf8').split('\n') : [];
    // What follows the last line feed was torn off by the kill.
    const whole = lines.slice(0, -1);
    const head = JSON.stringify({ made });
    let kept = whole[0] === head ? whole.slice(1).map((line) => JSON.parse(line) as Looked[]) : [];
    const pixels = existsSync(this.#pixelFile) ? statSync(this.#pixelFile).size : 0;
    if (kept.flat().filter(isUsable).length * stride > pixels) kept = [];
    for (const batch of kept) this.#remember(batch);
    write(
      this.#lineFile,
      [head, ...kept.map((batch) => JSON.stringify(batch))].map((line) => `${line}\n`).join(''),
      'w',
    );
    write(this.#pixelFile, '', 'a');
    truncateSync(this.#pixelFile, this.#used * stride);
  }

  /** Keeps a batch: its crops first, so that no line speaks of pixels that are not there. */
  add(batch: readonly { looked: Looked; crop?: Uint8Array }[]): void {
    const crops = batch.flatMap(({ crop }) => (crop ? [crop] : []));
    write(this.#pixelFile, Buffer.concat(crops), 'a');
    write(this.#lineFile, `${JSON.stringify(batch.map(({ looked }) => looked))}\n`, 'a');
    this.#remember(batch.map(({ looked }) => looked));
  }

  /** Pixels of these photographs, uint8 [photos.length, stride]. */
  read(photos: readonly number[]): Uint8Array {
    const pixels = new Uint8Array(photos.length * this.stride);
    const file = openSync(this.#pixelFile, 'r');
    try {
      photos.forEach((photo, i) => {
        const row = this.rows[photo]!;
        if (row < 0) throw new RangeError(`photograph ${photo} has no pixels`);
        readSync(file, pixels, i * this.stride, this.stride, row * this.stride);
      });
    } finally {
      closeSync(file);
    }
    return pixels;
  }

  #remember(batch: readonly Looked[]): void {
    for (const looked of batch) {
      this.looked.push(looked);
      this.rows.push(isUsable(looked) ? this.#used++ : -1);
    }
  }
}

function write(path: string, content: string | Uint8Array, flag: 'a' | 'w'): void {
  const file = openSync(path, flag);
  try {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    for (let from = 0; from < bytes.length;) from += writeSync(file, bytes, from);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
