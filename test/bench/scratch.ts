/** A temporary folder for a benchmark, which goes when the process ends, also by Ctrl-C. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folders = new Set<string>();
let watching = false;

export function makeScratch(): string {
  if (!watching) removeAtExit();
  const folder = mkdtempSync(join(tmpdir(), 'cemiflow-bench-'));
  folders.add(folder);
  return folder;
}

/** Also where it holds artifacts, whose folders are read-only. */
export function removeScratch(folder: string): void {
  spawnSync('chmod', ['-R', 'u+w', folder], { stdio: 'ignore' });
  rmSync(folder, { recursive: true, force: true });
  folders.delete(folder);
}

function removeAtExit(): void {
  watching = true;
  process.once('exit', () => folders.forEach(removeScratch));
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
}
