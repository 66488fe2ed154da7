/** How the screen says things: symbols, durations, sizes, and a stage's figures in a few words. Pure. */
import { stripVTControlCharacters } from 'node:util';
import { inWords } from '../../cache/trouble.js';
import type { StageStatus } from '../../journal/events.js';
import { duration } from '../../plan/why.js';
import { cut } from '../fitting.js';
import type { LeftBehind } from '../../run/left-behind.js';
import type { Progress } from '../../run/messages.js';

/** A terminal that does not speak UTF-8 gets ASCII. */
const unicode = /utf-?8/i.test(
  process.env['LC_ALL'] || process.env['LC_CTYPE'] || process.env['LANG'] || 'utf-8',
);

export const symbols = unicode
  ? {
      ok: '✔',
      cached: '○',
      failed: '✖',
      skipped: '-',
      cancelled: '■',
      warning: '!',
      full: '━',
      empty: '─',
      dot: '·',
    }
  : {
      ok: '+',
      cached: 'o',
      failed: 'x',
      skipped: '-',
      cancelled: '#',
      warning: '!',
      full: '=',
      empty: '-',
      dot: '|',
    };

export const spinner = unicode ? ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] : ['|', '/', '-', '\\'];

/** Metrics worth a place on a stage's line, most telling first; a stage has one or two of them. */
const telling = ['avg/accuracy', 'similarity/mean', 'sharpness', 'loss', 'images_per_second'];

/** "loss 0.213 · images_per_second 840", or ''. */
export function fewMetrics(metrics: Readonly<Record<string, number>>): string {
  const known = telling.filter((name) => name in metrics);
  const names = known.length > 0 ? known : Object.keys(metrics);
  return names
    .slice(0, 2)
    .map((name) => `${name} ${figure(metrics[name]!)}`)
    .join(` ${symbols.dot} `);
}

/** Four digits that matter. */
export const figure = (value: number): string => String(Number(value.toPrecision(4)));

export const memory = (bytes: number): string => (bytes > 0 ? inWords(bytes) : '');

/** "1 stage", "3 stages". */
export const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;

/** How many of each end, in words; those of which there are none are left out. */
export function tally(counts: Readonly<Partial<Record<StageStatus, number>>>): string {
  const words: [StageStatus, string][] = [
    ['ok', 'ran'],
    ['cached', 'cached'],
    ['failed', 'failed'],
    ['cancelled', 'cancelled'],
    ['skipped', 'not started'],
  ];
  const said = words.flatMap(([status, word]) => (counts[status] ? [`${counts[status]} ${word}`] : []));
  return said.length > 0 ? said.join(', ') : 'nothing to do';
}

/** What a plan comes to: "3 cached, 1 to run, then 11 as needed". */
export function planTally({ cached, run, maybe }: { cached: number; run: number; maybe: number }): string {
  const parts = [
    ...(cached > 0 ? [`${cached} cached`] : []),
    ...(run > 0 ? [`${run} to run`] : []),
    ...(maybe > 0 ? [`then ${maybe} as needed`] : []),
  ];
  return parts.join(', ') || 'nothing to do';
}

/** "process 4711 (python3 -m http.server) of run 20261124-181502-ab12" */
export const leftInWords = ({ pid, run, command }: LeftBehind): string =>
  `process ${pid}${command === '' ? '' : ` (${cut(printable(command), 60)})`} of run ${run}`;

/** How far a stage is, and when it will be done: from the rate since its first word, as a resume begins far in. */
export class Pace {
  private first: { at: number; done: number } | undefined;
  private last: Progress | undefined;

  heard(progress: Progress, now: number): void {
    // A second phase (sampling after training) counts anew.
    if (!this.first || progress.done < (this.last?.done ?? 0) || progress.total !== this.last?.total)
      this.first = { at: now, done: progress.done };
    this.last = progress;
  }

  /** In [0, 1]; undefined before the first word. */
  get fraction(): number | undefined {
    if (!this.last || this.last.total <= 0) return undefined;
    return Math.min(1, this.last.done / this.last.total);
  }

  get note(): string | undefined {
    return this.last?.note;
  }

  /** "540/1000" */
  get steps(): string {
    return this.last ? `${this.last.done}/${this.last.total}` : '';
  }

  /** Seconds; undefined while the rate is not known. */
  left(now: number): number | undefined {
    if (!this.first || !this.last) return undefined;
    const did = this.last.done - this.first.done;
    const seconds = (now - this.first.at) / 1000;
    if (did <= 0 || seconds < 1) return undefined;
    return ((this.last.total - this.last.done) * seconds) / did;
  }
}

export const timeLeft = (seconds: number | undefined): string =>
  seconds === undefined ? '' : `${wholeSeconds(Math.max(1, Math.round(seconds)))} left`;

/** A guess has no tenths. */
const wholeSeconds = (seconds: number): string => (seconds < 10 ? `${seconds}s` : duration(seconds));

/** A line of a log is so long on a screen; all of it is in the file. */
const longestLine = 400;

/** What a program wrote, without what would move the cursor, ring the bell or flood the screen. */
export function printable(line: string): string {
  const plain = stripVTControlCharacters(line.slice(0, 4 * longestLine)).replace(/[^\P{Cc}\t]/gu, '\uFFFD');
  return plain.length > longestLine ? `${plain.slice(0, longestLine)}…` : plain;
}

const widestReasons = 90;

/** As many reasons as a line holds, and how many more there are. */
export function fewReasons(reasons: readonly string[]): string {
  let shown = 0;
  let text = '';
  for (const reason of reasons) {
    const longer = text === '' ? reason : `${text}; ${reason}`;
    if (shown > 0 && longer.length > widestReasons) return `${text}; and ${reasons.length - shown} more`;
    text = longer;
    shown++;
  }
  return text;
}

export { duration };
