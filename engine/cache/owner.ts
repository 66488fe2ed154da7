/** Who holds a lock or a temporary folder, and whether that process still lives. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface Owner {
  pid: number;
  /** When that process started, in the kernel's own count: a pid alone is given again to others. '' where unknown. */
  started: string;
  /** Identifies one boot of one machine; '' where the system has none. */
  boot: string;
  /** Pids of another container mean nothing here. '' where there are no namespaces. */
  namespace: string;
  host: string;
  /** A second process that keeps the lock alive: an attempt may outlive its engine for a moment. */
  worker?: { pid: number; started: string };
}

function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}

/** State and start time (in ticks since boot) of a process, from /proc; '' where there is no /proc or no such process. */
function procOf(pid: number): { state: string; started: string } {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  // The second field, the program's name in brackets, may hold spaces and brackets of its own.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', started: fields[19] ?? '' };
}

export const startOf = (pid: number): string => procOf(pid).started;

let me: Owner | undefined;
export function thisProcess(): Owner {
  me ??= {
    pid: process.pid,
    started: startOf(process.pid),
    boot: attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    namespace: attempt(() => readlinkSync('/proc/self/ns/pid')),
    host: hostname(),
  };
  return me;
}

function processLives(pid: number, started: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const { state, started: now } = procOf(pid);
  // A zombie works no more: in a container whose first process buries nobody it stays for ever.
  if (state === 'Z') return false;
  return started === '' || now === '' || now === started;
}

/** 'unknown' where the owner is on another machine or in another container: only its heartbeat can tell. */
export function livesStill(owner: Owner): 'alive' | 'dead' | 'unknown' {
  const here = thisProcess();
  if (owner.boot !== here.boot) return owner.host === here.host && owner.boot !== '' ? 'dead' : 'unknown';
  if (owner.host !== here.host || owner.namespace !== here.namespace) return 'unknown';
  const worker = owner.worker !== undefined && processLives(owner.worker.pid, owner.worker.started);
  return worker || processLives(owner.pid, owner.started) ? 'alive' : 'dead';
}

/** The owner a file names, or undefined where it holds none (it is being written, or was torn). */
export function readOwner(text: string): Owner | undefined {
  try {
    const value = JSON.parse(text) as Partial<Owner> | null;
    return typeof value?.pid === 'number' && typeof value.host === 'string' ? (value as Owner) : undefined;
  } catch {
    return undefined;
  }
}
