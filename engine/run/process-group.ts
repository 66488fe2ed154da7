/** A process with all that it started. Every attempt leads a group of its own, so that a terminal's Ctrl-C reaches only the engine. */
import { readFileSync } from 'node:fs';

/** Sends a signal to a whole group; one that is gone already is fine. */
export function signalGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, signal);
  } catch (error) {
    // ESRCH: nobody of the group is left. EPERM (macOS): only zombies are.
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** The peak resident sizes so far of a process and its living descendants, added up; 0 where there is no /proc. */
export function peakOfTree(pid: number): number {
  const read = (path: string) => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      // Gone between listing and reading, or no /proc.
      return '';
    }
  };
  const kib = Number(/^VmHWM:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
  const children = read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean);
  return kib * 1024 + children.reduce((sum, child) => sum + peakOfTree(Number(child)), 0);
}
