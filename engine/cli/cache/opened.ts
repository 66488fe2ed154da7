/** The cache a verb of `cemiflow cache` works on, with what is in it; it must be there. */
import { existsSync } from 'node:fs';
import type { LocalCache } from '../../cache/cache.js';
import { openCache } from '../../cache/cache.js';
import { cacheRoot } from '../../journal/run-folder.js';
import { type CommonOptions, runsDirOf } from '../options.js';
import { UsageError } from '../trouble.js';

export interface Opened {
  cache: LocalCache;
  runsDir: string;
}

/** @param create also where there is none yet */
export async function withCache<T>(
  options: CommonOptions,
  work: (opened: Opened) => Promise<T>,
  { create = false, use = false } = {},
): Promise<T> {
  const runsDir = runsDirOf(options);
  const root = cacheRoot(runsDir);
  if (!create && !existsSync(root)) {
    throw new UsageError(
      `there is no cache in ${runsDir}`,
      'Nothing has run there yet, or it is another --runs-dir.',
    );
  }
  const cache = await openCache(root, { use });
  try {
    return await work({ cache, runsDir });
  } finally {
    await cache.close();
  }
}

/** Said once, while somebody else sweeps the same cache. */
export const waitingWords = ({ quiet }: CommonOptions) => ({
  waiting: () => {
    if (!quiet) process.stderr.write('waiting: another cemiflow is removing things from this cache\n');
  },
});
