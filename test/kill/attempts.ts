/** What the spy saw, as attempts; and what a kill cost: the work that the next attempt of the same stage did again. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { SpyLine } from './spy.js';

interface Moment {
  at: number;
  done: number;
}

export interface Attempt {
  pid: number;
  stage: string;
  kind: string;
  /** Of the stage: two attempts with the same key do the same work. */
  key: string;
  checkpoint: string;
  /** Milliseconds since 1970, as all times here. */
  born: number;
  first: Moment | undefined;
  last: Moment | undefined;
  log: string[];
  end: { at: number; how: 'done' | 'error'; message: string | undefined } | undefined;
}

/** Of one process, or undefined while it has not been given its work. */
export function attemptOf(pid: number, lines: readonly SpyLine[]): Attempt | undefined {
  const job = lines.find((line) => 'stage' in line);
  if (!job) return undefined;
  const moments = lines.filter((line) => 'done' in line);
  const end = lines.find((line) => 'end' in line);
  return {
    pid,
    stage: job.stage,
    kind: job.kind,
    key: basename(job.checkpoint),
    checkpoint: job.checkpoint,
    born: lines[0]!.at,
    first: moments[0],
    last: moments.at(-1),
    log: lines.flatMap((line) => ('log' in line ? [line.log] : [])),
    end: end && { at: end.at, how: end.end, message: end.message },
  };
}

/** Those of a log folder, all or some, in the order of their births. */
export function readAttempts(folder: string, pids?: readonly number[]): Attempt[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl') && (pids?.includes(Number.parseInt(name)) ?? true))
    .flatMap((name) => {
      const lines = readFileSync(join(folder, name), 'utf8')
        .split('\n')
        .filter(Boolean)
        // The last line of a killed process may be torn.
        .flatMap((line) => {
          try {
            return [JSON.parse(line) as SpyLine];
          } catch {
            return [];
          }
        });
      return attemptOf(Number.parseInt(name), lines) ?? [];
    })
    .sort((a, b) => a.born - b.born);
}

/** Seconds. */
export interface Cost {
  /** Work done twice: progress at the kill that the next attempt does not start with, at the pace it had been made. */
  again: number;
  /** From the birth of the next attempt to its first progress: loading, compiling, reading the checkpoint. */
  start: number;
}

/**
 * @param killed the attempt that was killed, at that time
 * @param next   the next one of the same key that got to work
 */
export function costOf(killed: Attempt, at: number, next: Attempt): Cost {
  const start = (next.first ?? next.end ?? { at: next.born }).at - next.born;
  const { first, last } = killed;
  // Stages tell progress when their work begins; before, an attempt loads and compiles.
  if (!next.first) return { again: Math.max(0, at - killed.born - start) / 1000, start: start / 1000 };
  if (!first || !last) return { again: 0, start: start / 1000 };
  const pace = last.done > first.done ? (last.at - first.at) / (last.done - first.done) : 0;
  const again = Math.max(0, last.done - next.first.done) * pace;
  // What was being done when it was killed is in no count.
  return { again: (again + Math.max(0, at - last.at)) / 1000, start: start / 1000 };
}
