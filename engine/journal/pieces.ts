/** Reads a journal piece by piece from a place in it, also while it grows: memory does not grow with it. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { JournalEvent } from './events.js';

export interface Piece {
  events: JournalEvent[];
  /** The byte after the last whole line read. */
  end: number;
}

const pieceBytes = 1 << 20;
/** A line that names every stage of a large experiment is long, but not without end. */
const longestLine = 1 << 28;

/**
 * The whole lines from byte `from` on, some hundred kilobytes of them; a line that cannot be read is passed over, and one that is not
 * whole yet is left for the next time. undefined where there is nothing new.
 */
export function readPiece(file: string, from: number): Piece | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const size = fstatSync(descriptor).size;
    for (let length = pieceBytes; ; length *= 4) {
      const buffer = Buffer.alloc(Math.min(length, Math.max(0, size - from)));
      const read = buffer.subarray(0, readSync(descriptor, buffer, 0, buffer.length, from));
      const last = read.lastIndexOf(10);
      if (last >= 0) return { events: parse(read.subarray(0, last)), end: from + last + 1 };
      if (from + length >= size || length > longestLine) return undefined;
    }
  } finally {
    closeSync(descriptor);
  }
}

function parse(lines: Buffer): JournalEvent[] {
  return lines
    .toString('utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as JournalEvent];
      } catch {
        return [];
      }
    });
}
