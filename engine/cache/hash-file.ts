/** sha256 of a file's content, read here and now, piece by piece into the same memory: pages that are new each time cost as much as the hash. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { sha256 } from '../sha256.js';

/** Fits the processor's second cache beside what the hash needs; longer pieces are slower, shorter ones are more calls. */
const PIECE = 256 * 1024;
let piece: Buffer | undefined;

/**
 * @param size what the file is said to have, bytes
 * @returns 64 hex digits; undefined where the file has another size by now, shorter or longer
 */
export function hashFileSync(path: string, size: number): string | undefined {
  piece ??= Buffer.allocUnsafeSlow(PIECE);
  const file = openSync(path, 'r');
  try {
    let count = readSync(file, piece, 0, PIECE, null);
    if (count === size && count < PIECE) return sha256(piece.subarray(0, count));
    const hash = createHash('sha256');
    for (let done = 0; ; count = readSync(file, piece, 0, PIECE, null)) {
      done += count;
      if (done > size) return undefined;
      if (count > 0) hash.update(count === PIECE ? piece : piece.subarray(0, count));
      // Less than asked for is the end, and that is known without another call where the size says so, too.
      if (count === 0 || (count < PIECE && done === size))
        return done === size ? hash.digest('hex') : undefined;
    }
  } finally {
    closeSync(file);
  }
}
