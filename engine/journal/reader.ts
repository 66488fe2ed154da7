/** Reads journals: one whole, or the heads of all runs of a folder, newest first. */
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { JournalEvent } from './events.js';
import { readPiece } from './pieces.js';
import { engineLives, isRunId, journalFile } from './run-folder.js';

type Of<T extends JournalEvent['type']> = Extract<JournalEvent, { type: T }>;

/** `interrupted` also where the engine died without a word. */
export type RunState = 'running' | 'ok' | 'failed' | 'interrupted';

export interface RunHead {
  run: string;
  folder: string;
  state: RunState;
  started: Of<'run-started'>;
  ended: Of<'run-ended'> | undefined;
}

/** Every event of the run, in order. A torn last line is left out; [] where there is no journal. */
export function readJournal(folder: string): JournalEvent[] {
  return [...eachEvent(folder)];
}

/** The same one by one: a journal of a million metrics is never whole in memory. */
export function* eachEvent(folder: string): Generator<JournalEvent> {
  for (let at = 0; ;) {
    const piece = readPiece(journalFile(folder), at);
    if (!piece) return;
    yield* piece.events;
    at = piece.end;
  }
}

/** How each stage ended, in order: without reading the thousands of metrics on the way. */
export function readEnds(folder: string): Of<'stage-ended'>[] {
  return linesOf(folder)
    .filter((line) => line.includes('"type":"stage-ended"'))
    .flatMap((line) => {
      const event = parsed(line);
      return event?.type === 'stage-ended' ? [event] : [];
    });
}

function linesOf(folder: string): string[] {
  let text: string;
  try {
    text = readFileSync(journalFile(folder), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return text.split('\n');
}

/** All runs of a folder that have begun, newest first. */
export function listRuns(runsDir: string): RunHead[] {
  return [...runsFromNewest(runsDir)].sort((a, b) => (a.started.at < b.started.at ? 1 : -1));
}

/** As `listRuns`, read as they are asked for, and so in the order of their names: the clock may have been put back between two. */
export function* runsFromNewest(runsDir: string): Generator<RunHead> {
  let names: string[];
  try {
    names = readdirSync(runsDir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  for (const name of names.filter(isRunId).sort().reverse()) {
    const head = readHead(join(runsDir, name));
    if (head) yield head;
  }
}

/** The head of one run, without reading the metrics between its two ends. */
export function readHead(folder: string): RunHead | undefined {
  const { first, last } = endsOf(journalFile(folder));
  const started = parsed(first);
  if (started?.type !== 'run-started') return undefined;
  const end = parsed(last);
  const ended = end?.type === 'run-ended' ? end : undefined;
  const state = ended?.status ?? (engineLives(folder) ? 'running' : 'interrupted');
  return { run: started.run, folder, state, started, ended };
}

function parsed(line: string): JournalEvent | undefined {
  if (line === '') return undefined;
  try {
    return JSON.parse(line) as JournalEvent;
  } catch {
    return undefined;
  }
}

const pieceBytes = 64 * 1024;

/** The first line, which may be long (it names every stage), and the last whole one. */
function endsOf(file: string): { first: string; last: string } {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch {
    return { first: '', last: '' };
  }
  try {
    const size = statSync(file).size;
    const read = (from: number) => {
      const piece = Buffer.alloc(Math.min(pieceBytes, Math.max(0, size - from)));
      return piece.subarray(0, readSync(descriptor, piece, 0, piece.length, from));
    };
    const pieces: Buffer[] = [];
    for (let at = 0; at < size; at += pieceBytes) {
      const piece = read(at);
      pieces.push(piece);
      if (piece.includes(10)) break;
    }
    const first = Buffer.concat(pieces).toString('utf8').split('\n')[0] ?? '';
    const tail = read(Math.max(0, size - pieceBytes))
      .toString('utf8')
      .trimEnd();
    return { first, last: tail.slice(tail.lastIndexOf('\n') + 1) };
  } finally {
    closeSync(descriptor);
  }
}
