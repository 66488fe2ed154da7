/** Where words go: data to stdout, talk to stderr; in colour only where somebody looks. */
import type { WriteStream } from 'node:tty';
import { createColors } from 'picocolors';
import { fitted, GAP, widthsOf } from './fitting.js';

export type Colors = ReturnType<typeof createColors>;

/** https://no-color.org: NO_COLOR turns colour off whatever its value, unless it is empty. FORCE_COLOR turns it on in a pipe. */
export function wantsColor(stream: NodeJS.WritableStream, option: boolean): boolean {
  if (!option || process.env['NO_COLOR']) return false;
  if (process.env['FORCE_COLOR']) return true;
  return (stream as WriteStream).isTTY === true && process.env['TERM'] !== 'dumb';
}

export const colorsFor = (stream: NodeJS.WritableStream, option: boolean): Colors =>
  createColors(wantsColor(stream, option));

/** Letters a line of the terminal holds; undefined where the stream is none. */
export const widthOf = (stream: NodeJS.WritableStream): number | undefined =>
  (stream as WriteStream).isTTY ? (stream as WriteStream).columns : undefined;

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

export function printLines(lines: Iterable<string>): void {
  const text = [...lines].map((line) => `${line}\n`).join('');
  if (text !== '') process.stdout.write(text);
}

/** A terminal's line, for tables; undefined, and then nothing is cut, in a pipe and with -v. */
export const roomOf = ({ verbose }: { verbose?: true }): number | undefined =>
  verbose ? undefined : widthOf(process.stdout);

type Paint = (cell: string, column: number, row: number) => string;

/**
 * Columns padded to their widest cell; the last one is not padded. Colours are put on by `paint`, which changes no width.
 * @param room letters a line may have; what has more is cut
 */
export function columns(
  rows: readonly (readonly string[])[],
  paint: Paint = (cell) => cell,
  room?: number,
): string[] {
  const shown = room === undefined ? rows : fitted(rows, room);
  const widths = widthsOf(shown);
  return shown.map((row, r) =>
    row
      .map(
        (cell, i) => paint(cell, i, r) + (i === row.length - 1 ? '' : ' '.repeat(widths[i]! - cell.length)),
      )
      .join(' '.repeat(GAP))
      .trimEnd(),
  );
}
