/**
 * Outside folders that become artifacts: an output may refer to rows of a folder that its stage was given by `path:`, and whoever reads
 * the output then needs that very content, whatever becomes of the folder.
 */
import { chmodSync, constants, copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Digest } from '../digest.js';
import { digestOfListing, listArtifact, listOutside } from './artifact.js';
import type { Objects } from './objects.js';
import { removeTree, type Session } from './session.js';
import { CacheError } from './trouble.js';

/**
 * Puts a copy of the folder into the cache, unless it is there. Where the disk can, the copy shares its blocks.
 * @param digest of the folder, as it was an input: executable bits do not count, and the copy has none
 * Throws a CacheError where it is no folder, or has another content by now.
 */
export async function adopt(path: string, digest: Digest, objects: Objects, session: Session): Promise<void> {
  if ((await objects.trouble(digest)) === undefined) return;
  const copy = await session.path('adopted');
  try {
    mkdirSync(copy);
    for (const file of listOutside(path, path).files) {
      mkdirSync(dirname(join(copy, file.path)), { recursive: true });
      copyFileSync(join(path, file.path), join(copy, file.path), constants.COPYFILE_FICLONE);
      chmodSync(join(copy, file.path), 0o644);
    }
    const listing = listArtifact(copy, path);
    if ((await digestOfListing(copy, listing, { modes: true })) !== digest)
      throw new CacheError(
        `${path} cannot be kept in the cache, where an output refers to it: it changed, or holds links that lead nowhere`,
        'Run again when nobody writes there any more, or remove the links.',
      );
    await objects.place(digest, copy, listing);
  } catch (error) {
    await removeTree(copy);
    if ((error as NodeJS.ErrnoException).code !== 'ENOTDIR') throw error;
    throw new CacheError(
      `an output refers to ${path}, which is a single file`,
      'Refer to folders only: give the folder as input.',
    );
  }
}
