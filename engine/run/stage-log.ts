/** The log of a stage: all that its attempts said in this run, and where it is. */
import { appendFileSync, readFileSync } from 'node:fs';

export interface StageLog {
  file: string;
  write(line: string): void;
}

export function openLog(file: string): StageLog {
  return {
    file,
    // Whole lines at once, so that a log is complete up to the moment a machine stops.
    write: (line) => appendFileSync(file, `${line}\n`),
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
