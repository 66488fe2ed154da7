/**
 * Loaded by every Node process of the harness before its own program (NODE_OPTIONS). In an attempt's process it writes down what
 * the engine and the stage say to each other: <CEMIFLOW_KILL_LOG>/<pid>.jsonl, and an empty <pid>.done when the work is done.
 * The engine and the stages are what a user runs; nothing in them knows of this.
 */
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import type { FromAttempt, ToAttempt } from '../../engine/run/messages.js';

/** A line of the log. `at`: milliseconds since 1970. */
export type SpyLine = { at: number } & (
  | { born: true }
  | { stage: string; kind: string; checkpoint: string }
  | { done: number; total: number }
  | { log: string }
  | { end: 'done' | 'error'; message?: string }
);
type Untimed<T = SpyLine> = T extends unknown ? Omit<T, 'at'> : never;

const folder = process.env['CEMIFLOW_KILL_LOG'];
const send = process.send?.bind(process);
if (folder !== undefined && send && isMainThread) {
  const file = (ending: string) => join(folder, `${process.pid}.${ending}`);
  const write = (line: Untimed) =>
    appendFileSync(file('jsonl'), `${JSON.stringify({ at: Date.now(), ...line })}\n`);
  write({ born: true });

  // Not a listener: the first one takes what is waiting in the channel away from the stage's own.
  const emit = process.emit.bind(process) as (...words: unknown[]) => boolean;
  process.emit = ((event: string, message: ToAttempt, ...rest: unknown[]) => {
    if (event === 'message' && message.type === 'job') {
      const { stage, kind, checkpoint } = message.job;
      write({ stage, kind, checkpoint });
    }
    return emit(event, message, ...rest);
  }) as typeof process.emit;

  process.send = ((message: FromAttempt, ...rest: unknown[]) => {
    if (message.type === 'progress') write({ done: message.done, total: message.total });
    if (message.type === 'log') write({ log: message.line });
    if (message.type === 'error') write({ end: 'error', message: message.message });
    if (message.type === 'done') {
      write({ end: 'done' });
      writeFileSync(file('done'), '');
    }
    return (send as (...words: unknown[]) => boolean)(message, ...rest);
  }) as typeof process.send;
}
