/**
 * A small file that only takes up space. On a full disk not even the lock of a sweep could be written, and gc is what
 * mends a full disk: it gives this up first.
 */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A lock, a folder and its owner's file are a block of 4 KiB each; other writers may be faster with some. */
const RESERVE_BYTES = 64 * 1024;
const reserveFile = (root: string) => join(root, 'reserve');

/** Makes it where it is missing and there is room. */
export function keepReserve(root: string): void {
  try {
    if (!existsSync(reserveFile(root)))
      writeFileSync(reserveFile(root), Buffer.alloc(RESERVE_BYTES, 'reserve\n'));
  } catch {
    // No room: what there was of it is given back.
    rmSync(reserveFile(root), { force: true });
  }
}

/** @returns whether there was one to give up */
export function spendReserve(root: string): boolean {
  const there = existsSync(reserveFile(root));
  rmSync(reserveFile(root), { force: true });
  return there;
}
