/**
 * A lock on one stage key, between engine processes that share a cache. It heals itself: the lock of a dead process is
 * passed over, that of an engine on another machine once its heartbeat has stopped.
 *
 * A lock is a file `<key>.<generation>`, made with O_EXCL, holding its owner. A dead lock is never deleted by others
 * (two of them could delete each other's), but outbid: whoever creates the next generation holds the lock, and removes
 * the older files when it lets go. So at any time the holder is the living owner of the highest generation.
 */
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Owner, livesStill, readOwner, startOf, thisProcess } from './owner.js';
import { errno, isMissing } from './trouble.js';

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

/** Waits until the lock is ours. Throws `signal.reason` when told to stop waiting. */
export async function takeLock(path: string, { signal, waiting }: WaitOptions = {}): Promise<Lock> {
  const watched = new Map<string, Seen>();
  let told = false;
  for (;;) {
    signal?.throwIfAborted();
    const { holder, dead } = survey(path, watched);
    if (holder === undefined) {
      // Between a look and what follows from it others may act, also in a test.
      await Promise.resolve();
      const lock = create(path, dead.length, dead);
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

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** A new file, or undefined where it is there. */
function openNew(file: string): number | undefined {
  for (;;) {
    try {
      return openSync(file, 'wx');
    } catch (error) {
      if (errno(error) === 'EEXIST') return undefined;
      if (!isMissing(error)) throw error;
      mkdirSync(dirname(file), { recursive: true });
    }
  }
}

/** The lock, or undefined where somebody was faster. */
function create(path: string, generation: number, dead: readonly string[]): Lock | undefined {
  const file = `${path}.${generation}`;
  const older = dead.map((_, index) => `${path}.${index}`);
  const owner: Owner & { token: string } = { ...thisProcess(), token: randomUUID() };
  // Here and now: small calls are done before a thread would have been told of the first.
  const open = openNew(file);
  if (open === undefined) return undefined;
  let written = JSON.stringify(owner);
  try {
    writeSync(open, written);
  } catch (error) {
    // Made and not filled (no space): it must not look held.
    closeSync(open);
    rmSync(file, { force: true });
    throw error;
  }
  // Between our look and our creation another may have healed this lock, worked, let go, and a third one begun anew.
  const same = older.every((name, index) => look(name, new Map())?.text === dead[index]);
  if (!same) {
    closeSync(open);
    unlinkSync(file);
    return undefined;
  }
  const heart = setInterval(() => {
    const now = Date.now() / 1000;
    try {
      utimesSync(file, now, now);
    } catch {
      // The folder was removed under us; the commit will say so.
    }
  }, HEARTBEAT_SECONDS * 1000);
  heart.unref();
  let released = false;
  return {
    holdFor(pid) {
      // In one write over the old text, so that nobody reads half of it; spaces where that was longer.
      const worker = { pid, started: startOf(pid) };
      written = JSON.stringify({ ...owner, worker }).padEnd(written.length);
      writeSync(open, written, 0);
    },
    release() {
      if (released) return Promise.resolve();
      released = true;
      clearInterval(heart);
      closeSync(open);
      // Ours last: while an older file is there, ours must be too.
      for (const name of [...older, file]) removeFile(name);
      return Promise.resolve();
    },
  };
}
