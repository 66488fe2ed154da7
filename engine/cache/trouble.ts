/** What the file system refuses, in words a user can act on: the folder, the space that is free, the remedy. */
import { existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';

/** Expected trouble with files; shown without a stack trace. */
export class CacheError extends Error {
  override readonly name = 'CacheError';
  /** @param remedy the next step for the user, a sentence. */
  constructor(
    message: string,
    readonly remedy: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export function errno(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

export const isMissing = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(errno(error) ?? '');

/** "1.5 GiB", for people. */
export function inWords(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toPrecision(3)} ${units[power]}`;
}

/** What is free where `folder` is, or would be. */
function freeSpace(folder: string): string {
  let at = folder;
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  try {
    const { bavail, bsize } = statfsSync(at);
    return inWords(bavail * bsize);
  } catch {
    return 'unknown';
  }
}

/**
 * The CacheError for what the operating system answered, or `error` itself where it is no such answer (a bug).
 * @param doing  what was attempted, to follow "cannot": "store output model of train".
 * @param folder where.
 */
export function explained(error: unknown, doing: string, folder: string): unknown {
  if (error instanceof CacheError) return error;
  const say = (why: string, remedy: string) =>
    new CacheError(`cannot ${doing}: ${why}`, remedy, { cause: error });
  const at = (error as NodeJS.ErrnoException).path ?? folder;
  switch (errno(error)) {
    case 'ENOSPC':
      return say(
        `no space left on the disk of ${folder} (free: ${freeSpace(folder)})`,
        'Free some space there (cemiflow gc), or keep runs on another disk with --runs-dir.',
      );
    case 'EDQUOT':
      return say(
        `your disk quota for ${folder} is used up`,
        'Free some space there (cemiflow gc), or keep runs elsewhere with --runs-dir.',
      );
    case 'EACCES':
    case 'EPERM':
      return say(
        `no permission for ${at}`,
        `Give yourself the right to read and write ${folder}, or keep runs elsewhere with --runs-dir.`,
      );
    case 'EROFS':
      return say(`${folder} is on a read-only file system`, 'Keep runs on a writable disk with --runs-dir.');
    case 'EMFILE':
    case 'ENFILE':
      return say('too many open files', 'Raise the limit (ulimit -n 4096), or run fewer jobs with -j.');
    case 'EIO':
      return say(
        `the disk failed at ${at}`,
        'Check the disk. What it has damaged in the cache is noticed and made again.',
      );
    case 'ENAMETOOLONG':
      return say(`the path ${at} is too long`, 'Keep runs in a folder nearer to the root with --runs-dir.');
    case 'EEXIST':
    case 'ENOTDIR':
      return say(
        `a file is where ${at} needs a folder`,
        'Move it away, or keep runs elsewhere with --runs-dir.',
      );
    default:
      return error;
  }
}

/** Runs `work`; what the file system refuses becomes a CacheError. */
export async function guarded<T>(doing: string, folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explained(error, doing, folder);
  }
}
