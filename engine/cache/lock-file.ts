/**
 * The file of a lock: made only where there is none of that name, with its owner in it. An engine that takes a lock for each of thousands
 * of short stages keeps a few files for them, which are given another name and lose it again: a disk gives names at less cost than files,
 * and some (ext4 without a journal) look at all that was removed in the last minutes whenever a file is made.
 */
import { closeSync, linkSync, mkdirSync, openSync, rmSync, unlinkSync, writeSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import { errno, isMissing } from './trouble.js';

export interface LockFile {
  /** In one write over the old text, so that nobody reads half of it; spaces where that was longer. */
  write(text: string): void;
  /** The name is free again. */
  remove(): void;
}

/** @returns undefined where there is a file of that name */
export type MakeLockFile = (file: string, text: string) => LockFile | undefined;

export const makeLockFile: MakeLockFile = (file, text) => {
  const open = inFolder(file, () => openSync(file, 'wx'));
  if (open === undefined) return undefined;
  const content = new Content(open);
  try {
    content.write(text);
  } catch (error) {
    // Made and not filled (no space): it must not look held.
    closeSync(open);
    rmSync(file, { force: true });
    throw error;
  }
  return {
    write: (now) => content.write(now),
    remove() {
      closeSync(open);
      removeFile(file);
    },
  };
};

/** Files in a folder of this process's own, which is removed with all that is in it after `close`. */
export class SpareLockFiles {
  private readonly idle: Spare[] = [];
  /** Whether this disk has no second names for a file, or the folder is gone. */
  private useless = false;

  constructor(private readonly folder: string) {}

  readonly make: MakeLockFile = (file, text) => {
    if (this.useless) return makeLockFile(file, text);
    const spare = this.idle.pop() ?? this.fresh();
    const named = spare && this.named(spare, file, text);
    if (!spare || named === undefined) {
      this.useless = true;
      // Whatever is wrong with the disk itself is said here.
      return makeLockFile(file, text);
    }
    if (!named) {
      this.idle.push(spare);
      return undefined;
    }
    return {
      write: (now) => spare.content.write(now),
      remove: () => {
        this.idle.push(spare);
        removeFile(file);
      },
    };
  };

  close(): void {
    for (const { open } of this.idle.splice(0)) closeSync(open);
  }

  /** undefined where none can be made. */
  private fresh(): Spare | undefined {
    const path = join(this.folder, `lock-${randomUUID().slice(0, 8)}`);
    try {
      const open = openSync(path, 'wx');
      return { path, open, content: new Content(open) };
    } catch {
      return undefined;
    }
  }

  /** Whether the file has the name now, or false where another has it; undefined where it cannot have one, and is of no more use. */
  private named({ path, open, content }: Spare, file: string, text: string): boolean | undefined {
    try {
      content.write(text);
      return (
        inFolder(file, () => {
          linkSync(path, file);
          return true;
        }) ?? false
      );
    } catch {
      closeSync(open);
      return undefined;
    }
  }
}

interface Spare {
  path: string;
  open: number;
  content: Content;
}

class Content {
  private length = 0;

  constructor(private readonly open: number) {}

  write(text: string): void {
    writeSync(this.open, text.padEnd(this.length), 0);
    this.length = Math.max(this.length, text.length);
  }
}

/** What `make` answers; undefined where the name is taken. The folder of the name is made where it is missing. */
function inFolder<T>(file: string, make: () => T): T | undefined {
  for (let tried = false; ; tried = true) {
    try {
      return make();
    } catch (error) {
      if (errno(error) === 'EEXIST') return undefined;
      if (!isMissing(error) || tried) throw error;
      mkdirSync(dirname(file), { recursive: true });
    }
  }
}

export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
