/** Texts that values come from (a file, a --set), and spans of them: how every value keeps its file:line:column. */
import type { SourcePlace } from './experiment.js';

export class Source {
  private readonly lineStarts: number[] = [0];

  /**
   * @param file   absolute path, or `--set` where the text is the command line's
   * @param origin through what the text came where it is not the experiment file itself
   */
  constructor(
    readonly file: string,
    readonly text: string,
    /** What relative paths in it are relative to. */
    readonly folder: string,
    readonly origin?: string,
  ) {
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.lineStarts.push(at + 1);
  }

  /** 1-based line and column of an offset. */
  position(offset: number): { line: number; column: number } {
    let low = 0;
    let high = this.lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.lineStarts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - this.lineStarts[low]! + 1 };
  }

  /** The text of a 1-based line, without its end. */
  line(line: number): string {
    const start = this.lineStarts[line - 1] ?? 0;
    const end = this.lineStarts[line] ?? this.text.length + 1;
    return this.text.slice(start, end - 1).replace(/\r$/, '');
  }
}

/** A piece of a source, [start, end). `origin` overrides the source's (a profile's piece of a file). */
export interface Span {
  source: Source;
  start: number;
  end: number;
  origin?: string;
}

export function placeOf(span: Span): SourcePlace {
  const { line, column } = span.source.position(span.start);
  const origin = span.origin ?? span.source.origin;
  return { file: span.source.file, line, column, ...(origin === undefined ? {} : { origin }) };
}

/** How much of the span to underline: at least 1, never beyond the end of its first line. */
export function underline(span: Span): number {
  const { line, column } = span.source.position(span.start);
  const rest = span.source.line(line).length - column + 1;
  return Math.max(1, Math.min(span.end - span.start, rest));
}
