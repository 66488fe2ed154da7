/**
 * What an engine leaves that is killed between writing a result and letting its key go: the lock, the checkpoint, what an earlier
 * attempt had failed with. The key is never worked on again, so nobody else would come for them.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { StageKey } from '../digest.js';
import { isHeld, takeLock } from './lock.js';
import type { Results } from './results.js';
import { removeTree } from './session.js';
import { errno } from './trouble.js';

const unfinished = ['checkpoints', 'failed'] as const;

/** A disk that cannot be written keeps them: reading must work there too. */
export async function clearFinished(root: string, results: Results): Promise<void> {
  const keys = new Set(
    ['locks', ...unfinished]
      .flatMap((folder) => namesIn(join(root, folder)))
      .flatMap((name) => (/^[0-9a-f]{64}/.exec(name)?.[0] as StageKey | undefined) ?? []),
  );
  for (const key of keys) {
    const lock = join(root, 'locks', key);
    // Held: the stage is run once more, by force.
    if (!existsSync(results.path(key)) || isHeld(lock)) continue;
    const taken = new AbortController();
    try {
      const ours = await takeLock(lock, {
        signal: taken.signal,
        waiting: () => taken.abort(new Error('somebody was faster')),
      });
      for (const folder of unfinished) await removeTree(join(root, folder, key));
      await ours.release();
    } catch (error) {
      const code = errno(error) ?? errno((error as Error).cause);
      if (!taken.signal.aborted && !['EROFS', 'EACCES', 'EPERM', 'ENOSPC', 'EDQUOT'].includes(code ?? ''))
        throw error;
    }
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // Not made yet, or not to be read.
    return [];
  }
}
