/** The git commit an experiment file belongs to, for the run's record. */
import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

/** undefined outside a repository, or without git. `dirty`: something there differs from the commit. */
export async function sourceState(file: string): Promise<{ commit: string; dirty: boolean } | undefined> {
  const words = ['status', '--porcelain=v2', '--branch', '--no-ahead-behind', '--untracked-files=no'];
  try {
    const options = { cwd: dirname(file), timeout: 5000, maxBuffer: Infinity };
    const { stdout } = await promisify(execFile)('git', words, options);
    const lines = stdout.trim().split('\n');
    // "(initial)" before the first commit.
    const commit = /^# branch\.oid ([0-9a-f]{40,})$/m.exec(stdout)?.[1];
    return commit === undefined ? undefined : { commit, dirty: lines.some((line) => !line.startsWith('#')) };
  } catch {
    return undefined;
  }
}
