/**
 * What a process writes, as text in whole lines. A program may print a gigabyte, bytes that are no text, or one line without an end:
 * memory stays bounded, and the process waits while we are busy.
 */
import { StringDecoder } from 'node:string_decoder';
import type { Readable } from 'node:stream';

/** A line goes on for so long; the rest of it is left out. */
const longestLine = 64 * 1024;

/**
 * Calls `use` with one or more whole lines at a time, without the last newline; settles when the stream has ended, was destroyed or
 * broke. A carriage return ends a line too: progress bars. What is no UTF-8, and NUL, comes as U+FFFD.
 */
export function eachBlock(stream: Readable, use: (lines: string) => void): Promise<void> {
  const decoder = new StringDecoder('utf8');
  /** The line that has no end yet, and how much of it was left out. */
  let open = '';
  let dropped = 0;
  const take = (text: string) => {
    let fresh = text;
    if (fresh.includes('\0')) fresh = fresh.replaceAll('\0', '\uFFFD');
    if (fresh.includes('\r')) fresh = fresh.replaceAll('\r\n', '\n').replaceAll('\r', '\n');
    const end = fresh.lastIndexOf('\n');
    if (end < 0) return keep(fresh);
    use(closed(fresh.slice(0, end)));
    keep(fresh.slice(end + 1));
  };
  const keep = (text: string) => {
    open += text;
    if (open.length <= longestLine) return;
    dropped += open.length - longestLine;
    open = open.slice(0, longestLine);
  };
  /** The open line with its end, and what follows. */
  const closed = (text: string): string => {
    const lines = open + text;
    if (dropped === 0) {
      open = '';
      return lines;
    }
    const first = text.indexOf('\n');
    const rest = first < 0 ? '' : text.slice(first);
    const gone = dropped + (first < 0 ? text.length : first);
    const line = `${open}… (${gone} more characters of this line left out)`;
    open = '';
    dropped = 0;
    return line + rest;
  };
  return new Promise((settle) => {
    let ended = false;
    const end = () => {
      if (ended) return;
      ended = true;
      take(decoder.end());
      if (open !== '') use(closed(''));
      settle();
    };
    // A pipe that was empty may have come to its end before anybody listened.
    if (stream.readableEnded || stream.destroyed) return end();
    stream.on('data', (piece: Buffer) => take(decoder.write(piece)));
    for (const event of ['end', 'close', 'error']) stream.once(event, end);
  });
}
