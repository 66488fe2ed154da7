/** The git commit an experiment file belongs to, for the run's record. */
import { dirname } from 'node:path';
import { execa } from 'execa';

/** undefined outside a repository, or without git. `dirty`: something there differs from the commit. */
export async function sourceState(file: string): Promise<{ commit: string; dirty: boolean } | undefined> {
  const git = (...words: string[]) =>
    execa('git', words, { cwd: dirname(file), reject: false, timeout: 5000, stdin: 'ignore' });
  const [commit, status] = await Promise.all([
    git('rev-parse', 'HEAD'),
    git('status', '--porcelain', '--untracked-files=no'),
  ]);
  if (commit.exitCode !== 0 || status.exitCode !== 0) return undefined;
  return { commit: commit.stdout.trim(), dirty: status.stdout.trim() !== '' };
}
