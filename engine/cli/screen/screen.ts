/** Events in, words out. Which view: the live one on a terminal, plain lines anywhere else. */
import type { WriteStream } from 'node:tty';
import type { RunEvent } from '../../run/events.js';
import type { LineOptions } from './lines.js';

export interface Screen {
  take(event: RunEvent): void;
  /** Leaves the terminal to others for a while (Ctrl-Z); the next event takes it back. */
  pause(): void;
  /** Leaves the stream as it was found, all lines written. */
  close(): void;
}

export async function openScreen(stream: NodeJS.WritableStream, options: LineOptions): Promise<Screen> {
  const terminal = stream as WriteStream;
  if (terminal.isTTY && process.env['TERM'] !== 'dumb' && !options.quiet) {
    return (await import('./live.js')).liveScreen(terminal, options);
  }
  return (await import('./plain.js')).plainScreen(stream, options);
}
