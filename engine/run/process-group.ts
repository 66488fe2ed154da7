/**
 * A process with all that it started. Every attempt leads a group of its own, so that a terminal's Ctrl-C reaches only the engine. What
 * leaves the group (a daemon) is known by a mark in its environment. Both are looked up in /proc; without it a group is still ended.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** The variable that marks all processes of an attempt. A program that must outlive its stage is started without it. */
export const MARK = 'CEMIFLOW_ATTEMPT';

/** Sends a signal to a whole group; one that is gone already is fine. */
export function signalGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  if (leader !== undefined) send(-leader, signal);
}

/** How many processes of a group live still. */
export function groupSize(leader: number): number {
  return pids().filter((pid) => {
    const [state, , group] = statusOf(pid);
    return group === String(leader) && state !== 'Z';
  }).length;
}

/**
 * Ends what carries the mark, wherever it is.
 * @param mark the value, or its beginning
 */
export function endMarked(mark: string): void {
  for (const { pid, mark: found } of allMarked()) if (found.startsWith(mark)) endProcess(pid);
}

/** All processes that carry a mark, but for this one. */
export function allMarked(): { pid: number; mark: string }[] {
  return pids().flatMap((pid) => {
    if (pid === process.pid) return [];
    const mark = new RegExp(`(?:^|\\0)${MARK}=([^\\0]*)`).exec(read(`/proc/${pid}/environ`))?.[1];
    return mark === undefined ? [] : [{ pid, mark }];
  });
}

export const endProcess = (pid: number): void => send(pid, 'SIGKILL');

/** The words of a process; '' where there is none any more. */
export const commandOf = (pid: number): string => read(`/proc/${pid}/cmdline`).split('\0').join(' ').trim();

/**
 * The peak resident sizes so far of a process and its living descendants, added up: what they took together, or more, as their peaks
 * need not have come at one moment and pages that they share count for each. 0 where there is no /proc.
 */
export function peakOfTree(pid: number): number {
  const kib = Number(/^VmHWM:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
  const children = threadsOf(pid).flatMap((thread) =>
    read(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean),
  );
  return kib * 1024 + children.reduce((sum, child) => sum + peakOfTree(Number(child)), 0);
}

/** Any of them may have started a process. */
function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // ESRCH: nobody is left. EPERM (macOS): only zombies are, or it is not ours any more.
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

function pids(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

/** State, parent, group and so on: what follows the program's name, which may hold spaces and brackets. */
function statusOf(pid: number): string[] {
  const stat = read(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** '' for what is gone by now, not ours, or no /proc. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
