/** Images in one .npy file, uint8 [N, height, width, 3], read as they are asked for. */
import { StageError } from '../contract.js';
import type { ImageRows, NpyPlace } from './image-set.js';
import { NpyRows } from './npy.js';

export class NpyImages implements ImageRows {
  readonly #rows: NpyRows;

  /** @throws StageError where the file does not hold images of that size */
  constructor(
    private readonly file: string,
    readonly width: number,
    readonly height: number,
  ) {
    this.#rows = new NpyRows(file);
    if (this.#rows.stride !== width * height * 3)
      throw new StageError(`${file}: does not hold images of ${width}x${height}`);
  }

  get place(): NpyPlace {
    const { file, width, height } = this;
    return { file, width, height };
  }
  get count(): number {
    return this.#rows.rows;
  }

  read(indices: ArrayLike<number>, into?: Uint8Array): Uint8Array {
    const { stride } = this.#rows;
    const pixels = into ?? new Uint8Array(indices.length * stride);
    for (let i = 0; i < indices.length; i++) this.#rows.read(indices[i]!, 1, pixels, i * stride);
    return pixels;
  }

  close(): void {
    this.#rows.close();
  }
}
