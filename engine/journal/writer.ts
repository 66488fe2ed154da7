/** Writes a run's journal: lines are appended, never rewritten, and are on disk before the engine acts on what they say. */
import { closeSync, fsyncSync, mkdirSync, openSync, utimesSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { thisProcess } from '../cache/owner.js';
import { explained } from '../cache/trouble.js';
import type { JournalEvent } from './events.js';
import {
  experimentCopy,
  HEARTBEAT_SECONDS,
  journalFile,
  logFile,
  newRunId,
  ownerFile,
} from './run-folder.js';

/** An event without the time, which the writer adds. */
export type Untimed<T = JournalEvent> = T extends unknown ? Omit<T, 'at'> : never;

export interface JournalWriter {
  run: string;
  folder: string;
  /** Returns the event as written. */
  append(event: Untimed): JournalEvent;
  close(): void;
}

/** Makes the folder of a new run and opens its journal. */
export function createJournal(runsDir: string, composed: string): JournalWriter {
  const { run, folder, file } = inWordsOfTrouble(runsDir, () => {
    const made = createFolder(runsDir);
    mkdirSync(dirname(logFile(made.folder, 'any')));
    writeFileSync(ownerFile(made.folder), JSON.stringify(thisProcess()));
    writeFileSync(experimentCopy(made.folder), composed);
    return { ...made, file: openSync(journalFile(made.folder), 'a') };
  });
  const heart = setInterval(() => {
    const now = Date.now() / 1000;
    try {
      utimesSync(ownerFile(folder), now, now);
    } catch {
      // The user removed the run's folder; the next append says so.
    }
  }, HEARTBEAT_SECONDS * 1000);
  heart.unref();
  return {
    run,
    folder,
    append(event) {
      const timed = { at: new Date().toISOString(), ...event } as JournalEvent;
      inWordsOfTrouble(folder, () => {
        // One write a line: a crash tears at most the last line.
        writeSync(file, `${JSON.stringify(timed)}\n`);
        if (mustLast(timed)) fsyncSync(file);
      });
      return timed;
    },
    close() {
      clearInterval(heart);
      closeSync(file);
    },
  };
}

/** @throws CacheError for what the file system refuses: no space, no permission */
function inWordsOfTrouble<T>(folder: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    throw explained(error, 'record the run', folder);
  }
}

/** Metrics come by the thousand, and their last values are told again at the stage's end; what is cached will be found again. */
function mustLast(event: JournalEvent): boolean {
  return event.type !== 'metric' && !(event.type === 'stage-ended' && event.status === 'cached');
}

function createFolder(runsDir: string): { run: string; folder: string } {
  mkdirSync(runsDir, { recursive: true });
  for (;;) {
    const run = newRunId(new Date());
    const folder = join(runsDir, run);
    try {
      mkdirSync(folder);
      return { run, folder };
    } catch (error) {
      // Another engine started in the same second and drew the same four digits.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}
