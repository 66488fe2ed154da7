/**
 * NumPy's .npy format, version 1.0, little-endian, C order: read whole, read some rows, write whole, or append rows.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import {
  appendFileSync,
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { StageError } from '../contract.js';

export type NpyData = Float32Array | Float64Array | Int32Array | Uint8Array;
export type NpyType = 'float32' | 'float64' | 'int32' | 'uint8';

export interface NpyArray<T extends NpyData = NpyData> {
  shape: number[];
  data: T;
}

const descriptors: Record<NpyType, string> = { float32: '<f4', float64: '<f8', int32: '<i4', uint8: '|u1' };
const constructors = { float32: Float32Array, float64: Float64Array, int32: Int32Array, uint8: Uint8Array };
/** Appending rewrites the header in place, so its length is fixed whatever the row count. */
const headerBytes = 128;

function header(type: NpyType, shape: readonly number[]): Buffer {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const text = `{'descr': '${descriptors[type]}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const head = Buffer.alloc(headerBytes, 0x20);
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(headerBytes - 10, 8);
  head.write(text, 10, 'latin1');
  head[headerBytes - 1] = 0x0a;
  return head;
}

function typeOf(data: NpyData): NpyType {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Float64Array) return 'float64';
  return data instanceof Int32Array ? 'int32' : 'uint8';
}

interface Head {
  type: NpyType;
  shape: number[];
  /** Where the data starts, bytes. */
  offset: number;
}

function parseHead(bytes: Buffer, file: string): Head {
  const bad = (why: string) => new StageError(`${file}: not a readable .npy file: ${why}`);
  if (bytes.length < 12 || bytes.toString('latin1', 0, 6) !== '\x93NUMPY')
    throw bad('it does not start with \\x93NUMPY');
  const wide = bytes[6]! >= 2;
  const length = wide ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8);
  const offset = (wide ? 12 : 10) + length;
  const text = bytes.toString('latin1', wide ? 12 : 10, offset);
  const descr = /'descr':\s*'([^']+)'/.exec(text)?.[1];
  const shape = /'shape':\s*\(([^)]*)\)/.exec(text)?.[1];
  if (!descr || shape === undefined) throw bad('its header has no descr or shape');
  if (/'fortran_order':\s*True/.test(text))
    throw bad('it is in Fortran order; save it with numpy.ascontiguousarray');
  const type = (Object.keys(descriptors) as NpyType[]).find((name) => descriptors[name] === descr);
  if (!type) throw bad(`its type is ${descr}; float32, float64, int32 and uint8 are read`);
  return {
    type,
    shape: shape
      .split(',')
      .filter((part) => part.trim())
      .map(Number),
    offset,
  };
}

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

function readHead(descriptor: number, file: string): Head {
  const head = Buffer.alloc(4096);
  return parseHead(head.subarray(0, readAll(descriptor, head, 0)), file);
}

/** @returns how many bytes were read: fewer where the file ends before */
function readAll(descriptor: number, into: Uint8Array, at: number): number {
  let done = 0;
  while (done < into.length) {
    const got = readSync(descriptor, into, done, into.length - done, at + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}

/** @throws StageError where the file is not .npy, or shorter than its header says */
function openNpy<T>(file: string, use: (head: Head, descriptor: number) => T): T {
  const descriptor = openSync(file, 'r');
  try {
    const head = readHead(descriptor, file);
    const size = product(head.shape) * constructors[head.type].BYTES_PER_ELEMENT;
    const there = fstatSync(descriptor).size - head.offset;
    if (there < size) throw new StageError(`${file}: cut short: ${there} of ${size} bytes of data`);
    return use(head, descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function checkType(found: NpyType, wanted: NpyType, file: string): void {
  if (found !== wanted) throw new StageError(`${file}: holds ${found}, not ${wanted}`);
}

/** The shape of a file's array, which is not read. @throws StageError as `readNpyAs` */
export function npyShapeAs(file: string, wanted: NpyType): number[] {
  return openNpy(file, ({ type, shape }) => {
    checkType(type, wanted, file);
    return shape;
  });
}

/** Reads a whole file. @throws StageError where it is not .npy, or shorter than its header says */
export function readNpy(file: string): NpyArray {
  return openNpy(file, ({ type, shape, offset }, descriptor) => {
    const data = new constructors[type](product(shape));
    readAll(descriptor, new Uint8Array(data.buffer), offset);
    return { shape, data };
  });
}

/** As `readNpy`, and throws where the element type is another. */
export function readNpyAs<T extends NpyType>(
  file: string,
  type: T,
): NpyArray<InstanceType<(typeof constructors)[T]>> {
  const array = readNpy(file);
  checkType(typeOf(array.data), type, file);
  return array as NpyArray<InstanceType<(typeof constructors)[T]>>;
}

export function writeNpy(file: string, data: NpyData, shape: readonly number[]): void {
  if (product(shape) !== data.length)
    throw new RangeError(`${file}: shape ${shape.join('x')} does not hold ${data.length} elements`);
  writeFileSync(file, header(typeOf(data), shape));
  appendFileSync(file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** Appends rows of a fixed shape; `close` puts the row count into the header. */
export class NpyWriter {
  #file: number;
  #rows = 0;

  constructor(
    readonly path: string,
    readonly type: NpyType,
    readonly rowShape: readonly number[],
  ) {
    this.#file = openSync(path, 'w');
    writeSync(this.#file, header(type, [0, ...rowShape]));
  }

  get rows(): number {
    return this.#rows;
  }

  /** @param data whole rows, one after the other */
  append(data: NpyData): void {
    const rows = data.length / product(this.rowShape);
    if (!Number.isInteger(rows))
      throw new RangeError(
        `${this.path}: ${data.length} elements are no whole rows of ${this.rowShape.join('x')}`,
      );
    let from = 0;
    while (from < data.byteLength) {
      from += writeSync(
        this.#file,
        new Uint8Array(data.buffer, data.byteOffset + from, data.byteLength - from),
      );
    }
    this.#rows += rows;
  }

  close(): void {
    writeSync(this.#file, header(this.type, [this.#rows, ...this.rowShape]), 0, headerBytes, 0);
    fsyncSync(this.#file);
    closeSync(this.#file);
  }
}

/** Reads single rows of a uint8 file without holding the file in memory. */
export class NpyRows {
  #file: number;
  #offset: number;
  readonly rows: number;
  /** Bytes of a row. */
  readonly stride: number;

  constructor(readonly path: string) {
    this.#file = openSync(path, 'r');
    const { type, shape, offset } = readHead(this.#file, path);
    checkType(type, 'uint8', path);
    this.#offset = offset;
    this.rows = shape[0] ?? 0;
    this.stride = product(shape.slice(1));
  }

  /** Copies rows [row, row + count) into `into` at byte `at`. */
  read(row: number, count: number, into: Uint8Array, at: number): void {
    const length = count * this.stride;
    if (readAll(this.#file, into.subarray(at, at + length), this.#offset + row * this.stride) < length)
      throw new StageError(`${this.path}: cut short at row ${row} of ${this.rows}`);
  }

  close(): void {
    closeSync(this.#file);
  }
}
