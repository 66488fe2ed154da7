/** A run without a terminal (a log file, CI): a line an event with its time, and now and then how far each stage is. */
import type { RunEvent } from '../../run/events.js';
import { linesFor, type LineOptions } from './lines.js';
import { RunState } from './run-state.js';
import type { Screen } from './screen.js';
import { fewMetrics, symbols, timeLeft } from './words.js';

/** Progress of one stage is told at most so often. */
const everyMilliseconds = 15_000;

export function plainScreen(stream: NodeJS.WritableStream, options: LineOptions, clock = Date.now): Screen {
  const state = new RunState(clock());
  const told = new Map<string, number>();
  const write = (line: string) => stream.write(`${new Date(clock()).toTimeString().slice(0, 8)}  ${line}\n`);

  const progress = (stage: string): string[] => {
    const at = state.working.get(stage);
    const now = clock();
    if (options.quiet || !at || now - (told.get(stage) ?? at.since) < everyMilliseconds) return [];
    told.set(stage, now);
    const percent = at.pace.fraction === undefined ? '' : `${Math.floor(at.pace.fraction * 100)}%`;
    const parts = [percent, timeLeft(at.pace.left(now)), at.pace.note ?? fewMetrics(at.metrics)];
    return [`${stage} ${parts.filter(Boolean).join(` ${symbols.dot} `)}`];
  };

  return {
    take(event: RunEvent) {
      state.take(event, clock());
      const lines = event.type === 'progress' ? progress(event.stage) : linesFor(event, state, options);
      for (const line of lines) write(line);
    },
    pause() {},
    close() {},
  };
}
