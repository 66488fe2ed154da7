/**
 * Sees the process of an attempt to its end, and that nothing it started outlives it: helpers it left behind (data loaders, servers,
 * daemons) must not hold memory, GPUs or our pipes.
 */
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Death } from './failure.js';
import { eachBlock } from './lines.js';
import { endMarked, groupSize, signalGroup } from './process-group.js';

/** A process that was started, or could not be: then it has no pid, and `exited` says why. */
export interface Child {
  pid: number | undefined;
  stdout: Readable;
  stderr: Readable;
  exited: Promise<Death>;
}

/** execa's child: also a promise, of how it could not be started. */
type ExecaChild = Pick<ChildProcess, 'pid' | 'once'> &
  PromiseLike<Death> & { stdout: Readable; stderr: Readable };

export function asChild(child: ExecaChild): Child {
  const exited = new Promise<Death>((resolve) => {
    child.once('exit', (exitCode, signal) =>
      resolve({ exitCode: exitCode ?? undefined, signal: signal ?? undefined }),
    );
    // Where it could not be started there is no 'exit'.
    void child.then(({ exitCode, signal, originalMessage }) =>
      resolve({ exitCode, signal, originalMessage }),
    );
  });
  return { pid: child.pid, stdout: child.stdout, stderr: child.stderr, exited };
}

/** The leaders of the groups at work, of this whole process. */
const atWork = new Set<number>();

/** Lets all that is at work stand still or go on: as the engine is in a group of its own, a terminal's Ctrl-Z reaches only it. */
export function signalAtWork(signal: 'SIGSTOP' | 'SIGCONT'): void {
  for (const leader of atWork) signalGroup(leader, signal);
}

export interface AttemptProcess {
  /** SIGTERM to all of the group. */
  stop(): void;
  /** SIGKILL to all that it started. */
  kill(): void;
  /** Whether `stop` or `kill` was called before it ended. */
  readonly stopped: boolean;
  /** Settles when the process is gone, with what it started, and all it wrote has been read. */
  ended: Promise<Death>;
}

export interface Watch {
  /** The value of MARK in its environment. */
  mark: string;
  stdout(lines: string): void;
  stderr(lines: string): void;
  /** Processes of ours in its group, which end last. */
  ours: number;
}

/** A daemon writes a pid file and is gone; to look for one after every stage of a moment would cost more than the stage. */
const worthALookMilliseconds = 1000;
/** How often to look whether what was told to stop has stopped. */
const pollMilliseconds = 50;
/** A pipe that somebody else holds open is read until it has been silent for so long. */
const silenceMilliseconds = 500;

export function watchAttempt(child: Child, { mark, stdout, stderr, ours }: Watch): AttemptProcess {
  const begun = performance.now();
  let stopped = false;
  let killed = false;
  if (child.pid !== undefined) atWork.add(child.pid);
  const kill = () => {
    killed = true;
    signalGroup(child.pid, 'SIGKILL');
    endMarked(mark);
  };

  async function end(): Promise<Death> {
    const streams = [child.stdout, child.stderr];
    let lastRead = performance.now();
    const reading = Promise.all([eachBlock(child.stdout, stdout), eachBlock(child.stderr, stderr)]);
    for (const stream of streams) stream.on('data', () => (lastRead = performance.now()));
    const death = await child.exited;
    // A shell ends at once when told to; what it runs may still be writing its checkpoint.
    if (stopped && child.pid !== undefined)
      while (!killed && groupSize(child.pid) > ours) await sleep(pollMilliseconds);
    signalGroup(child.pid, 'SIGKILL');
    if (stopped || performance.now() - begun > worthALookMilliseconds) endMarked(mark);
    lastRead = performance.now();
    const watchdog = setInterval(() => {
      if (performance.now() - lastRead < silenceMilliseconds) return;
      endMarked(mark);
      for (const stream of streams) stream.destroy();
    }, pollMilliseconds);
    await reading;
    clearInterval(watchdog);
    if (child.pid !== undefined) atWork.delete(child.pid);
    return death;
  }

  return {
    stop() {
      stopped = true;
      signalGroup(child.pid, 'SIGTERM');
    },
    kill() {
      stopped = true;
      kill();
    },
    get stopped() {
      return stopped;
    },
    ended: end(),
  };
}
