/** A run without a terminal (a log file, CI): a line an event with its time, and now and then how far each stage is. */
import type { RunEvent } from '../../run/events.js';
import { linesFor, type LineOptions } from './lines.js';
import { noteOf, RunState } from './run-state.js';
import type { Screen } from './screen.js';
import { duration, symbols, timeLeft } from './words.js';

/** Progress of one stage is told at most so often. */
const everyMilliseconds = 15_000;
/** A stage of which nothing is heard is told of so often: a CI server takes long silence for death. */
const silenceMilliseconds = 60_000;

export function plainScreen(stream: NodeJS.WritableStream, options: LineOptions, clock = Date.now): Screen {
  const state = new RunState(clock());
  const told = new Map<string, number>();
  const write = (line: string) => stream.write(`${new Date(clock()).toTimeString().slice(0, 8)}  ${line}\n`);

  const progress = (stage: string, every: number): string[] => {
    const at = state.working.get(stage);
    const now = clock();
    if (options.quiet || !at || now - (told.get(stage) ?? at.since) < every) return [];
    told.set(stage, now);
    const { fraction } = at.pace;
    const far =
      fraction === undefined
        ? [`at work for ${duration((now - at.since) / 1000)}`]
        : [`${Math.floor(fraction * 100)}%`, timeLeft(at.pace.left(now))];
    const parts = at.waiting === undefined ? [...far, noteOf(at)] : [`waits: ${at.waiting}`];
    return [`${stage} ${parts.filter(Boolean).join(` ${symbols.dot} `)}`];
  };

  const timer = setInterval(() => {
    for (const stage of state.working.keys())
      for (const line of progress(stage, silenceMilliseconds)) write(line);
  }, everyMilliseconds);
  timer.unref();

  return {
    take(event: RunEvent) {
      state.take(event, clock());
      const lines =
        event.type === 'progress'
          ? progress(event.stage, everyMilliseconds)
          : linesFor(event, state, options);
      for (const line of lines) write(line);
    },
    pause() {},
    close: () => clearInterval(timer),
  };
}
