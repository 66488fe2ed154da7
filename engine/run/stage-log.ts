/** The log of a stage: all that its attempts said in this run, with the engine's own remarks between. */
import { appendFileSync, readFileSync } from 'node:fs';
import { explained } from '../cache/trouble.js';

export interface StageLog {
  write(line: string): void;
  /** What the engine has to say: when an attempt began and how it ended. */
  remark(line: string): void;
}

const mark = '--- ';

export function openLog(file: string): StageLog {
  // Whole lines at once, so that a log is complete up to the moment a machine stops.
  const write = (line: string) => {
    try {
      appendFileSync(file, `${line}\n`);
    } catch (error) {
      throw explained(error, 'write the log of a stage', file);
    }
  };
  return {
    write,
    remark: (line) => write(`${mark}${line}`),
  };
}

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
