/** The processes of a run: starting an engine as a user does, finding what it started, killing with -9. Needs /proc. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../engine/cli/invocation.js';

const program = join(packageRoot, 'dist/engine/cli/main.js');
const spy = new URL('./spy.js', import.meta.url).href;

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Engine {
  pid: number;
  startedAt: number;
  ended: Promise<Ended>;
}

/** `cemiflow <words>`, in a process group of its own, as a shell starts it. */
export function startCemiflow(words: readonly string[], logFolder?: string): Engine {
  const child = spawn(process.execPath, [program, ...words], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...(logFolder === undefined
        ? {}
        : { CEMIFLOW_KILL_LOG: logFolder, NODE_OPTIONS: `--import=${spy}`, NO_COLOR: '1' }),
    },
  });
  const heard = { stdout: '', stderr: '' };
  child.stdout.on('data', (data: Buffer) => (heard.stdout += String(data)));
  child.stderr.on('data', (data: Buffer) => (heard.stderr += String(data)));
  return {
    pid: child.pid!,
    startedAt: Date.now(),
    // Not 'close': an attempt that outlives its engine may hold the pipes for a moment.
    ended: once(child, 'exit').then(([code]) => ({ code: code as number | null, ...heard })),
  };
}

/** Pids of all living processes that were started, by however many others, with this log folder in their environment. */
export function processesOf(logFolder: string): number[] {
  const mark = `CEMIFLOW_KILL_LOG=${logFolder}\0`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(mark);
      } catch {
        // Gone meanwhile, or another user's.
        return false;
      }
    });
}

/** Attempts of an engine, each with all that it started: its children that lead a process group, and those of the launchers among them. */
export function attemptsOf(engine: number): number[] {
  return leadersBelow(engine).flatMap((leader) => {
    const launched = leadersBelow(leader);
    return launched.length > 0 ? launched : [leader];
  });
}

/** Children that lead a process group. */
function leadersBelow(parent: number): number[] {
  try {
    return readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8')
      .split(' ')
      .filter(Boolean)
      .map(Number)
      .filter((pid) => {
        try {
          const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
          return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]) === pid;
        } catch {
          return false;
        }
      });
  } catch {
    return [];
  }
}

/** SIGKILL to a process, or with `group` to all of its group; one that is gone already is fine. */
export function kill(pid: number, group: boolean): void {
  try {
    process.kill(group ? -pid : pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** The command line of a living process. */
export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '(gone)';
  }
}
