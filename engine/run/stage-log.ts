/**
 * The log of a stage: all that its attempts said in this run, with the engine's own remarks between. Of a stage that says too much the
 * beginning and the end are kept, and a line tells how much is gone.
 */
import { closeSync, openSync, readFileSync, readSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { explained } from '../cache/trouble.js';

export interface StageLog {
  /** One or more whole lines. */
  write(lines: string): void;
  /** What the engine has to say: when an attempt began and how it ended. */
  remark(line: string): void;
  /** Until the next word. */
  close(): void;
}

const mark = '--- ';

/** A log grows to this; then its middle goes. */
const mostBytes = 16 * 1024 * 1024;
/** The settings and warnings of the start. */
const bytesOfStart = 2 * 1024 * 1024;
const bytesOfEnd = 6 * 1024 * 1024;

export function openLog(file: string): StageLog {
  let open: number | undefined;
  let size = 0;
  /** Where the first lines end, once anything was cut, and how much was. */
  let start: number | undefined;
  let cut = 0;

  const close = () => {
    if (open !== undefined) closeSync(open);
    open = undefined;
  };
  const shorten = () => {
    const descriptor = openSync(file, 'r');
    let text: Buffer;
    try {
      const whole = statSync(file).size;
      start ??= endOfLine(descriptor, bytesOfStart);
      const from = endOfLine(descriptor, whole - bytesOfEnd);
      cut += from - start;
      text = Buffer.concat([
        piece(descriptor, 0, start),
        Buffer.from(`${mark}${inMebibytes(cut)} of output left out here\n`),
        piece(descriptor, from, whole - from),
      ]);
    } finally {
      closeSync(descriptor);
    }
    // Whoever reads sees the old file or the new one.
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
    close();
    size = text.length;
  };

  const write = (lines: string) => {
    try {
      // Whole lines at once, so that a log is complete up to the moment a machine stops.
      const bytes = Buffer.from(`${lines}\n`);
      open ??= openSync(file, 'a');
      writeFileSync(open, bytes);
      size += bytes.length;
      if (size > mostBytes) shorten();
    } catch (error) {
      throw explained(error, 'write the log of a stage', file);
    }
  };
  return {
    write,
    remark: (line) => write(`${mark}${line}`),
    close,
  };
}

function piece(descriptor: number, from: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(descriptor, bytes, 0, length, from));
}

/** The first place from there on where a line begins. Lines are shorter than what is looked at (lines.ts). */
function endOfLine(descriptor: number, from: number): number {
  const ahead = piece(descriptor, from, 1024 * 1024);
  return from + ahead.indexOf('\n') + 1;
}

const inMebibytes = (bytes: number) => `${(bytes / 1024 ** 2).toFixed(1)} MiB`;

/** The last lines of a log; [] where there is none. */
export function lastLines(file: string, count: number): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return text.trimEnd().split('\n').slice(-count);
}

/** The last lines that the stage itself wrote. */
export function lastWords(file: string, count: number): string[] {
  return lastLines(file, Infinity)
    .filter((line) => !line.startsWith(mark))
    .slice(-count);
}
