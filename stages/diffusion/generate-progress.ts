/**
 * Generated images on disk while a stage runs: batches appended, and a count of the finished ones that is renamed into
 * place after the data is safe. A killed attempt goes on behind the last counted batch.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

export class GeneratedImages {
  readonly #pixels: number;
  readonly #similarity: number;
  #count: number;

  private constructor(
    readonly folder: string,
    /** Bytes of an image. */
    readonly stride: number,
  ) {
    const state = join(folder, 'generated.json');
    this.#count = existsSync(state)
      ? (JSON.parse(readFileSync(state, 'utf8')) as { images: number }).images
      : 0;
    // 'a+' would append behind what a killed attempt left half written: cut that off first.
    const open = (name: string, bytes: number) => {
      const file = join(folder, name);
      const descriptor = openSync(file, existsSync(file) ? 'r+' : 'w+');
      ftruncateSync(descriptor, bytes);
      return descriptor;
    };
    this.#pixels = open('pixels.bin', this.#count * stride);
    this.#similarity = open('similarity.bin', this.#count * 4);
  }

  static open(folder: string, stride: number): GeneratedImages {
    return new GeneratedImages(folder, stride);
  }

  /** Images that are there. */
  get count(): number {
    return this.#count;
  }

  /** @param similarity of each image to its inquiry image */
  append(pixels: Uint8Array, similarity: Float32Array): void {
    writeAll(this.#pixels, pixels, this.#count * this.stride);
    writeAll(
      this.#similarity,
      new Uint8Array(similarity.buffer, similarity.byteOffset, similarity.byteLength),
      this.#count * 4,
    );
    this.#count += similarity.length;
  }

  /** Makes what was appended so far survive. */
  save(): void {
    fsyncSync(this.#pixels);
    fsyncSync(this.#similarity);
    const state = join(this.folder, 'generated.json');
    writeFileSync(`${state}.part`, JSON.stringify({ images: this.#count }));
    renameSync(`${state}.part`, state);
  }

  /** Pixels of images [from, from + count). */
  pixels(from: number, count: number): Uint8Array {
    return readAll(this.#pixels, count * this.stride, from * this.stride);
  }

  similarities(): Float32Array {
    return new Float32Array(readAll(this.#similarity, this.#count * 4, 0).buffer);
  }

  close(): void {
    closeSync(this.#pixels);
    closeSync(this.#similarity);
  }
}

function writeAll(file: number, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(file, bytes, done, bytes.length - done, at + done);
}

function readAll(file: number, length: number, at: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const got = readSync(file, bytes, done, length - done, at + done);
    if (got === 0) throw new Error(`generated images are cut short at byte ${at + done}`);
    done += got;
  }
  return bytes;
}
