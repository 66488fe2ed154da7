/**
 * Processes of stages whose engine is dead: daemons that left the session which ends with it. They are known by the mark that every
 * attempt has in its environment (process-group.ts); where there is no /proc none are found. Of another user's, the mark cannot be read.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { livesStill, readOwner } from '../cache/owner.js';
import { isRunId, ownerFile } from '../journal/run-folder.js';
import { allMarked, commandOf, endProcess, MARK } from './process-group.js';

export interface LeftBehind {
  pid: number;
  run: string;
  /** Its words; '' where it hides them. */
  command: string;
}

/** Those of runs of this folder; what belongs to other folders, or to who knows which, is none of ours. */
export function leftBehind(runsDir: string): LeftBehind[] {
  // A shell that a stage has opened has the mark, too: who runs cemiflow in it must not lose it.
  const ours = process.env[MARK];
  const dead = new Map<string, boolean>();
  return allMarked().flatMap(({ pid, mark }) => {
    const [run] = mark.split('/', 1) as [string];
    if (!isRunId(run) || ours?.startsWith(`${run}/`)) return [];
    if (!dead.has(run)) dead.set(run, engineIsDead(join(runsDir, run)));
    return dead.get(run) ? [{ pid, run, command: commandOf(pid) }] : [];
  });
}

/** @returns those that it has ended */
export function endLeftBehind(runsDir: string): LeftBehind[] {
  const found = leftBehind(runsDir);
  for (const { pid } of found) endProcess(pid);
  return found;
}

/** Certainly dead: of one on another machine, or in another container, nothing is known here. */
function engineIsDead(folder: string): boolean {
  try {
    const owner = readOwner(readFileSync(ownerFile(folder), 'utf8'));
    return owner !== undefined && livesStill(owner) === 'dead';
  } catch {
    return false;
  }
}
