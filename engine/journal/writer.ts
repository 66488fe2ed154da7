/**
 * Writes a run's journal: lines are appended, never rewritten, and are in the file before the engine acts on what they say: whoever kills
 * the engine loses none. They are on the disk itself a moment later, for power cuts; at the run's end before anything else happens.
 */
import {
  closeSync,
  existsSync,
  fsync,
  fsyncSync,
  mkdirSync,
  openSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { thisProcess } from '../cache/owner.js';
import { CacheError, explained } from '../cache/trouble.js';
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
  /** Returns the event as written. @param at milliseconds since 1970, where that is not now */
  append(event: Untimed, at?: number): JournalEvent;
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
  const disk = new Disk(file);
  return {
    run,
    folder,
    append(event, at = Date.now()) {
      const timed = { at: new Date(at).toISOString(), ...event } as JournalEvent;
      inWordsOfTrouble(folder, () => {
        // One write a line: a crash tears at most the last line.
        writeSync(file, `${JSON.stringify(timed)}\n`);
        if (timed.type === 'run-ended') fsyncSync(file);
        else if (mustLast(timed)) disk.ask();
        disk.complain();
      });
      return timed;
    },
    close() {
      clearInterval(heart);
      disk.close();
    },
  };
}

/** What a power cut may take at most. An fsync holds up whoever writes to the same disk meanwhile, so not one for each line. */
const gatherMilliseconds = 250;

/** fsync beside the work: one at a time, each for all that was written before it began. */
class Disk {
  private timer: NodeJS.Timeout | undefined;
  private busy = false;
  private again = false;
  private closing = false;
  private trouble: unknown;

  constructor(private readonly file: number) {}

  ask(): void {
    if (this.busy) this.again = true;
    else this.timer ??= setTimeout(() => this.start(), gatherMilliseconds).unref();
  }

  private start(): void {
    this.timer = undefined;
    this.busy = true;
    this.again = false;
    fsync(this.file, (error) => {
      this.busy = false;
      if (error) this.trouble ??= error;
      if (this.closing) closeSync(this.file);
      else if (this.again) this.ask();
    });
  }

  /** @throws what an earlier fsync answered, once */
  complain(): void {
    const { trouble } = this;
    this.trouble = undefined;
    if (trouble !== undefined) throw trouble;
  }

  /** The number of an open file must not go to another one while a thread syncs it. */
  close(): void {
    clearTimeout(this.timer);
    this.closing = true;
    if (!this.busy) closeSync(this.file);
  }
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

/** As mkdir's own `recursive`, which never ends where a folder that is there takes no others and says that it is not there (/proc). */
function makeFolders(path: string): void {
  if (isFolder(path)) return;
  // A file there is mkdir's to complain of.
  if (!existsSync(dirname(path))) makeFolders(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    // Another engine was first.
    if (isFolder(path)) return;
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new CacheError(
      `cannot record the run: no folder ${path} can be made there`,
      'Keep runs elsewhere with --runs-dir.',
      { cause: error },
    );
  }
}

const isFolder = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();

function createFolder(runsDir: string): { run: string; folder: string } {
  makeFolders(runsDir);
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
