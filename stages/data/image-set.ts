/**
 * A labelled set of face images of one size, as artifact type `images`: a folder with
 *   set.json           ImageSetInfo
 *   shard-00000.npy .. uint8 [n, height, width, 3], RGB, 0..255
 *   labels.npy         int32 [count], 0 .. identities - 1
 * Shards are plain arrays: numpy maps them, and any image is one read at a known offset, so memory does not grow with the set.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StageError } from '../contract.js';
import { npyShapeAs, NpyRows, NpyWriter, readNpyAs, writeNpy } from './npy.js';
import type { SetProvenance } from './provenance.js';

export interface ImageSetInfo {
  format: 'cemiflow-images/1';
  count: number;
  width: number;
  height: number;
  channels: 'RGB';
  identities: number;
  shards: { file: string; count: number }[];
  /** Names of the identities, by label, where they have some. */
  names?: string[];
  provenance: SetProvenance;
}

/** Where a data set is: all that another thread needs to open it, too (dataset.ts). */
export interface DatasetPlace {
  /** Of the image set. */
  folder: string;
  /** The images of it that belong, in their order; all where absent. */
  rows?: Int32Array;
}

/** Images in one .npy file (npy-images.ts), likewise. */
export interface NpyPlace {
  file: string;
  width: number;
  height: number;
}

/** Images of one size that are read by number. */
export interface ImageRows {
  readonly place: DatasetPlace | NpyPlace;
  readonly count: number;
  readonly width: number;
  readonly height: number;
  /** Pixels of these images, uint8 [indices.length, height, width, 3]. @param into filled with them, where given */
  read(indices: ArrayLike<number>, into?: Uint8Array): Uint8Array;
}

/** What stages that consume faces need; an ImageSet, or a part of one. */
export interface FaceDataset extends ImageRows {
  readonly place: DatasetPlace;
  /** Labels are 0 .. identities - 1. */
  readonly identities: number;
  /** int32 [count] */
  readonly labels: Int32Array;
  readonly info: ImageSetInfo;
}

const shardBytes = 64 * 2 ** 20;

export class ImageSet implements FaceDataset {
  #shards: { first: number; rows: NpyRows }[] = [];
  #labels: Int32Array | undefined;

  private constructor(
    readonly folder: string,
    readonly info: ImageSetInfo,
  ) {
    let first = 0;
    for (const { file, count } of info.shards) {
      const rows = new NpyRows(join(folder, file));
      if (rows.rows !== count || rows.stride !== info.height * info.width * 3)
        throw new StageError(
          `${join(folder, file)}: does not hold the ${count} images of ${info.width}x${info.height} that set.json names`,
        );
      this.#shards.push({ first, rows });
      first += count;
    }
    const shape = npyShapeAs(this.#labelsFile, 'int32');
    if (first !== info.count || shape.length !== 1 || shape[0] !== info.count)
      throw new StageError(`${folder}: set.json, labels.npy and the shards disagree`);
  }

  /** Opens a folder; images stay on disk. Throws StageError where it is no image set. */
  static open(folder: string): ImageSet {
    let info: ImageSetInfo;
    try {
      info = JSON.parse(readFileSync(join(folder, 'set.json'), 'utf8')) as ImageSetInfo;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw new StageError(
        code === 'ENOENT' || code === 'ENOTDIR'
          ? `${folder} is no image set: it has no set.json`
          : `${folder} is no image set: ${message}`,
        'Photographs become one by a stage that uses faces-import; or give the folder of another images artifact.',
      );
    }
    if (info.format !== 'cemiflow-images/1')
      throw new StageError(`${folder}: its format is '${info.format}', not cemiflow-images/1`);
    return new ImageSet(folder, info);
  }

  get #labelsFile(): string {
    return join(this.folder, 'labels.npy');
  }

  /** Read when they are first asked for: threads that read images need none. */
  get labels(): Int32Array {
    return (this.#labels ??= readNpyAs(this.#labelsFile, 'int32').data);
  }

  get place(): DatasetPlace {
    return { folder: this.folder };
  }
  get count(): number {
    return this.info.count;
  }
  get width(): number {
    return this.info.width;
  }
  get height(): number {
    return this.info.height;
  }
  get identities(): number {
    return this.info.identities;
  }

  read(indices: ArrayLike<number>, into?: Uint8Array): Uint8Array {
    const stride = this.width * this.height * 3;
    const pixels = into ?? new Uint8Array(indices.length * stride);
    for (let i = 0; i < indices.length;) {
      const row = indices[i]!;
      if (!(row >= 0 && row < this.count)) throw new RangeError(`image ${row} of a set of ${this.count}`);
      const shard = this.#shards[this.#shardOf(row)]!;
      // Neighbours on disk come in one read.
      let run = 1;
      while (
        i + run < indices.length &&
        indices[i + run] === row + run &&
        row + run < shard.first + shard.rows.rows
      )
        run++;
      shard.rows.read(row - shard.first, run, pixels, i * stride);
      i += run;
    }
    return pixels;
  }

  /** All pixels in one array: for sets known to be small. */
  all(): Uint8Array {
    return this.read(Int32Array.from({ length: this.count }, (_, i) => i));
  }

  #shardOf(row: number): number {
    let low = 0;
    let high = this.#shards.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#shards[middle]!.first <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Writes an image set one image, or some, at a time. */
export class ImageSetWriter {
  /** Doubled as it fills. */
  #labels = new Int32Array(1024);
  #count = 0;
  #shards: { file: string; count: number }[] = [];
  #shard: NpyWriter | undefined;

  private constructor(
    readonly folder: string,
    readonly width: number,
    readonly height: number,
  ) {}

  static open(folder: string, size: { width: number; height: number }): ImageSetWriter {
    return new ImageSetWriter(folder, size.width, size.height);
  }

  get count(): number {
    return this.#count;
  }

  /**
   * @param pixels one image or several with the same label, uint8 [n, height, width, 3]
   * @param label  identity, 0 or more
   */
  add(pixels: Uint8Array, label: number): void {
    const stride = this.width * this.height * 3;
    for (let from = 0; from < pixels.length; from += stride) {
      if (this.#shard && (this.#shard.rows + 1) * stride > shardBytes) this.#closeShard();
      this.#shard ??= new NpyWriter(join(this.folder, this.#shardName()), 'uint8', [
        this.height,
        this.width,
        3,
      ]);
      this.#shard.append(pixels.subarray(from, from + stride));
      if (this.#count === this.#labels.length) {
        const labels = new Int32Array(2 * this.#count);
        labels.set(this.#labels);
        this.#labels = labels;
      }
      this.#labels[this.#count++] = label;
    }
  }

  /** @returns what set.json says. `identities` is one more than the largest label, or the number of names. */
  finish(rest: { names?: string[]; provenance: SetProvenance }): ImageSetInfo {
    this.#closeShard();
    const labels = this.#labels.slice(0, this.#count);
    const identities = rest.names?.length ?? labels.reduce((a, b) => Math.max(a, b + 1), 0);
    const info: ImageSetInfo = {
      format: 'cemiflow-images/1',
      count: labels.length,
      width: this.width,
      height: this.height,
      channels: 'RGB',
      identities,
      shards: this.#shards,
      ...(rest.names ? { names: rest.names } : {}),
      provenance: rest.provenance,
    };
    writeNpy(join(this.folder, 'labels.npy'), labels, [labels.length]);
    writeFileSync(join(this.folder, 'set.json'), JSON.stringify(info, null, 1));
    return info;
  }

  #shardName(): string {
    return `shard-${String(this.#shards.length).padStart(5, '0')}.npy`;
  }

  #closeShard(): void {
    if (!this.#shard) return;
    this.#shard.close();
    this.#shards.push({ file: this.#shardName(), count: this.#shard.rows });
    this.#shard = undefined;
  }
}
