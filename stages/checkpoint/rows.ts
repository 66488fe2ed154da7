/**
 * Rows that a stage makes one after the other (embeddings, generated images with their similarities), kept on disk: a file a column,
 * appended to, and a count of the safe rows that is renamed into place once they are. A killed attempt goes on behind them.
 */
import { createHash, type Hash } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

interface Column {
  /** Bytes of a row. */
  stride: number;
  file: string;
  descriptor: number | undefined;
  /** Of the rows so far. */
  hash: Hash;
}

/** What `<name>.json` says: rows that are safe, and the sha256 of each column up to there. */
interface State {
  rows: number;
  sha256: Record<string, string>;
}

const pieceBytes = 4 * 2 ** 20;

export class RowCheckpoint<Name extends string = string> {
  readonly #state: string;
  readonly #columns: Map<Name, Column>;
  #count = 0;

  /**
   * @param folder  made when the first row comes
   * @param name    tells several in one folder apart
   * @param strides bytes of a row, by column
   * @param log     told when earlier rows are damaged, and the work begins anew
   */
  constructor(
    private readonly folder: string,
    name: string,
    strides: Readonly<Record<Name, number>>,
    log: (line: string) => void,
  ) {
    this.#state = join(folder, `${name}.json`);
    this.#columns = new Map(
      Object.entries<number>(strides).map(([column, stride]) => [
        column as Name,
        {
          stride,
          file: join(folder, `${name}.${column}`),
          descriptor: undefined,
          hash: createHash('sha256'),
        },
      ]),
    );
    const state = this.#readState();
    if (state === undefined) return;
    if (this.#isSound(state)) this.#count = state.rows;
    else {
      log(`${this.#state}: the rows of an earlier attempt are damaged; they are made anew`);
      for (const column of this.#columns.values()) column.hash = createHash('sha256');
    }
  }

  /** Rows that are there. */
  get count(): number {
    return this.#count;
  }

  /** @param rows the same number of rows for each column */
  append(rows: Readonly<Record<Name, Uint8Array | Float32Array>>): void {
    let added = 0;
    for (const [name, column] of this.#columns) {
      const bytes = bytesOf(rows[name]);
      writeAll(this.#open(column), bytes, this.#count * column.stride);
      column.hash.update(bytes);
      added = bytes.length / column.stride;
    }
    this.#count += added;
  }

  /** Makes what was appended so far survive. */
  save(): void {
    const sha256: Record<string, string> = {};
    for (const [name, column] of this.#columns) {
      fsyncSync(this.#open(column));
      sha256[name] = column.hash.copy().digest('hex');
    }
    const state: State = { rows: this.#count, sha256 };
    const part = openSync(`${this.#state}.part`, 'w');
    writeAll(part, Buffer.from(JSON.stringify(state)), 0);
    fsyncSync(part);
    closeSync(part);
    renameSync(`${this.#state}.part`, this.#state);
  }

  /** Bytes of rows [from, from + count) of a column. @param into filled with them, where given */
  read(name: Name, from: number, count: number, into?: Uint8Array): Uint8Array {
    const column = this.#columns.get(name)!;
    const bytes = into ?? new Uint8Array(count * column.stride);
    if (count > 0 && !readAll(this.#open(column), bytes, from * column.stride))
      throw new Error(`${column.file} is cut short`);
    return bytes;
  }

  close(): void {
    for (const column of this.#columns.values()) {
      if (column.descriptor !== undefined) closeSync(column.descriptor);
      column.descriptor = undefined;
    }
  }

  /** What a killed attempt left half written behind the safe rows is cut off. */
  #open(column: Column): number {
    if (column.descriptor === undefined) {
      mkdirSync(this.folder, { recursive: true });
      column.descriptor = openExisting(column.file) ?? openSync(column.file, 'w+');
      ftruncateSync(column.descriptor, this.#count * column.stride);
    }
    return column.descriptor;
  }

  #readState(): State | undefined {
    try {
      return JSON.parse(readFileSync(this.#state, 'utf8')) as State;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      if (error instanceof SyntaxError) return { rows: 0, sha256: {} };
      throw error;
    }
  }

  /** Hashes the rows as it goes, so that later ones can be added to the hash. */
  #isSound({ rows, sha256 }: State): boolean {
    return [...this.#columns].every(([name, { file, stride, hash }]) => {
      const descriptor = openExisting(file);
      if (descriptor === undefined) return false;
      try {
        const end = rows * stride;
        for (let at = 0; at < end; at += pieceBytes) {
          const piece = new Uint8Array(Math.min(pieceBytes, end - at));
          if (!readAll(descriptor, piece, at)) return false;
          hash.update(piece);
        }
      } finally {
        closeSync(descriptor);
      }
      return hash.copy().digest('hex') === sha256[name];
    });
  }
}

function openExisting(file: string): number | undefined {
  try {
    return openSync(file, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

const bytesOf = (values: Uint8Array | Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

function writeAll(file: number, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(file, bytes, done, bytes.length - done, at + done);
}

/** False where the file ends before. */
function readAll(file: number, bytes: Uint8Array, at: number): boolean {
  for (let done = 0; done < bytes.length;) {
    const got = readSync(file, bytes, done, bytes.length - done, at + done);
    if (got === 0) return false;
    done += got;
  }
  return true;
}
