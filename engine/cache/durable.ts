/** Writing that a power cut cannot tear: into a temporary file, fsync, rename, fsync of the folder. */
import { randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, openSync, renameSync, rmSync, type Stats, writeFileSync } from 'node:fs';
import { open, mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errno, isMissing } from './trouble.js';

/**
 * Replaces `path` by this content, all or nothing.
 * @param temporary an existing folder on the same disk, swept when its owner is dead.
 * @returns the new file's
 */
export async function writeDurably(
  path: string,
  content: string | readonly Buffer[],
  temporary: string,
): Promise<Stats> {
  const beside = join(temporary, randomUUID());
  let stats: Stats;
  try {
    const file = await open(beside, 'wx');
    try {
      for (const piece of typeof content === 'string' ? [content] : content) await file.writeFile(piece);
      await file.sync();
      stats = await file.stat();
    } finally {
      await file.close();
    }
    await mkdir(dirname(path), { recursive: true });
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
  return stats;
}

/**
 * Replaces `path` by `text`, all or nothing for everybody who looks; a power cut may tear it until it and its folder are synced. For
 * files whose readers can tell.
 */
export function writeInPlace(path: string, text: string, temporary: string): void {
  const beside = join(temporary, randomUUID());
  try {
    const file = openSync(beside, 'wx');
    try {
      writeFileSync(file, text);
    } finally {
      closeSync(file);
    }
    moveInto(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}

/** rename, into a folder that is made where it is missing: most are there. */
export function moveInto(from: string, path: string): void {
  try {
    renameSync(from, path);
  } catch (error) {
    if (!isMissing(error)) throw error;
    mkdirSync(dirname(path), { recursive: true });
    renameSync(from, path);
  }
}

async function syncFolder(path: string): Promise<void> {
  await sync(path).catch((error: unknown) => {
    // Some network file systems cannot sync a folder; then its entry is as durable as they make it.
    if (!['EINVAL', 'ENOTSUP', 'EISDIR', 'EBADF'].includes(errno(error) ?? '')) throw error;
  });
}

export async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
