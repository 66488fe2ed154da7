/**
 * A lock on one stage key, between engine processes that share a cache. It heals itself: the lock of a dead process is
 * passed over, that of an engine on another machine once its heartbeat has stopped.
 *
 * A lock is a file `<key>.<generation>`, made with O_EXCL, holding its owner. A dead lock is never deleted by others
 * (two of them could delete each other's), but outbid: whoever creates the next generation holds the lock, and removes
 * the older files when it lets go. So at any time the holder is the living owner of the highest generation.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeLockFile, type MakeLockFile, removeFile } from './lock-file.js';
import { type Owner, livesStill, readOwner, startOf, thisProcess } from './owner.js';
import { isMissing } from './trouble.js';

export const HEARTBEAT_SECONDS = 10;
/** After so long without a heartbeat, as watched by our own clock, an owner that we cannot ask is taken for dead. */
const SILENCE_SECONDS = 60;
/** A lock file whose owner cannot be read: killed between making and filling it. */
const TORN_SECONDS = 2;
const POLL_MILLISECONDS = 200;

export interface Lock {
  /** The lock also lives as long as that process does. */
  holdFor(pid: number): void;
  release(): Promise<void>;
}

interface Seen {
  owner: Owner | undefined;
  text: string;
  /** The heartbeat, and since when (performance.now()) we have seen that same one. */
  beat: number;
  since: number;
}

export interface WaitOptions {
  signal?: AbortSignal | undefined;
  /** Called once, when somebody else holds the lock. */
  waiting?: ((owner: Owner | undefined) => void) | undefined;
}

export interface TakeOptions extends WaitOptions {
  /** Where many are taken, its file need not be a new one each time. */
  make?: MakeLockFile;
}

/** Waits until the lock is ours. Throws `signal.reason` when told to stop waiting. */
export async function takeLock(
  path: string,
  { signal, waiting, make = makeLockFile }: TakeOptions = {},
): Promise<Lock> {
  const watched = new Map<string, Seen>();
  let told = false;
  for (;;) {
    signal?.throwIfAborted();
    const { holder, dead } = survey(path, watched);
    if (holder === undefined) {
      // Between a look and what follows from it others may act, also in a test.
      await Promise.resolve();
      const lock = create(path, dead, make);
      if (lock !== undefined) return lock;
      continue;
    }
    if (!told) waiting?.(holder.owner);
    told = true;
    // It fails only when aborted, with an error of its own around the reason.
    await sleep(POLL_MILLISECONDS, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
  }
}

/**
 * Waits until nobody holds the lock, without taking it. For locks held for moments: it looks often.
 * @returns whether somebody did
 */
export async function untilFree(path: string): Promise<boolean> {
  const watched = new Map<string, Seen>();
  for (let waited = false; ; waited = true) {
    if (survey(path, watched).holder === undefined) return waited;
    await sleep(POLL_MILLISECONDS / 10);
  }
}

/** The living owner of the highest generation, and what the dead ones below it wrote. */
function survey(path: string, watched: Map<string, Seen>): { holder: Seen | undefined; dead: string[] } {
  const dead: string[] = [];
  for (;;) {
    const seen = look(`${path}.${dead.length}`, watched);
    if (seen === undefined || !isDead(seen)) return { holder: seen, dead };
    dead.push(seen.text);
  }
}

/** Whether a living process holds the lock: gc leaves such keys alone. */
export function isHeld(path: string): boolean {
  for (let generation = 0; ; generation++) {
    const seen = look(`${path}.${generation}`, new Map());
    if (seen === undefined) return false;
    // Without having watched it, an owner elsewhere counts as living while its heartbeat is near by the clock.
    if (seen.owner === undefined || livesStill(seen.owner) === 'alive') return true;
    if (livesStill(seen.owner) === 'unknown' && Date.now() - seen.beat < SILENCE_SECONDS * 10_000)
      return true;
  }
}

function look(file: string, watched: Map<string, Seen>): Seen | undefined {
  // Most are not there, and an error costs more than a look.
  if (!existsSync(file)) return undefined;
  try {
    const text = readFileSync(file, 'utf8');
    const beat = statSync(file).mtimeMs;
    const before = watched.get(file);
    const since = before?.text === text && before.beat === beat ? before.since : performance.now();
    const seen = { owner: readOwner(text), text, beat, since };
    watched.set(file, seen);
    return seen;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isDead({ owner, since }: Seen): boolean {
  const silence = (performance.now() - since) / 1000;
  if (owner === undefined) return silence > TORN_SECONDS;
  const lives = livesStill(owner);
  return lives === 'dead' || (lives === 'unknown' && silence > SILENCE_SECONDS);
}

/** The lock, or undefined where somebody was faster. */
function create(path: string, dead: readonly string[], make: MakeLockFile): Lock | undefined {
  const name = `${path}.${dead.length}`;
  const older = dead.map((_, index) => `${path}.${index}`);
  const owner: Owner & { token: string } = { ...thisProcess(), token: randomUUID() };
  // Here and now: small calls are done before a thread would have been told of the first.
  const file = make(name, JSON.stringify(owner));
  if (file === undefined) return undefined;
  // Between our look and our creation another may have healed this lock, worked, let go, and a third one begun anew.
  const same = older.every((name, index) => look(name, new Map())?.text === dead[index]);
  if (!same) {
    file.remove();
    return undefined;
  }
  const heart = setInterval(() => {
    const now = Date.now() / 1000;
    try {
      utimesSync(name, now, now);
    } catch {
      // The folder was removed under us; the commit will say so.
    }
  }, HEARTBEAT_SECONDS * 1000);
  heart.unref();
  let released = false;
  return {
    holdFor(pid) {
      const worker = { pid, started: startOf(pid) };
      file.write(JSON.stringify({ ...owner, worker }));
    },
    release() {
      if (released) return Promise.resolve();
      released = true;
      clearInterval(heart);
      // Ours last: while an older file is there, ours must be too.
      for (const one of older) removeFile(one);
      file.remove();
      return Promise.resolve();
    },
  };
}
