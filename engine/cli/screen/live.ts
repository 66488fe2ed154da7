/**
 * A run on a terminal: finished stages scroll by, below them a line for each stage at work (bar, per cent, time left, note) and one
 * with the counts, redrawn in place.
 */
import type { WriteStream } from 'node:tty';
import { createLogUpdate } from 'log-update';
import type { RunEvent } from '../../run/events.js';
import { cut, cutInside } from '../fitting.js';
import { linesFor, type LineOptions } from './lines.js';
import { type AtWork, noteOf, RunState } from './run-state.js';
import type { Screen } from './screen.js';
import { duration, spinner, symbols, timeLeft } from './words.js';

const frameMilliseconds = 125;
const widestBar = 24;
const widestName = 40;

export function liveScreen(stream: WriteStream, options: LineOptions, clock = Date.now): Screen {
  const { colors: c } = options;
  const state = new RunState(clock());
  const update = createLogUpdate(stream);
  let frame = 0;

  /** Plain texts and how to colour them: what is cut is cut before the colours come. */
  const stageLine = (at: AtWork, name: number, width: number): string => {
    const now = clock();
    const shown = cutInside(at.name, name).padEnd(name);
    const head = `${c.cyan(spinner[frame % spinner.length]!)} ${shown} `;
    let room = width - name - 3;
    if (at.waiting !== undefined) return head + c.dim(cut(`waits: ${at.waiting}`, room));
    const { fraction } = at.pace;
    const left = timeLeft(at.pace.left(now)) || duration((now - at.since) / 1000);
    const note = noteOf(at);
    if (fraction === undefined) return head + c.dim(cut([left, note].filter(Boolean).join('  '), room));
    const bar = Math.max(6, Math.min(widestBar, Math.floor(room / 3)));
    const full = Math.round(fraction * bar);
    const percent = `${Math.floor(fraction * 100)}%`.padStart(4);
    room -= bar + percent.length + 2;
    const figures = cut([left, note].filter(Boolean).join('  '), room);
    return `${head}${c.cyan(symbols.full.repeat(full))}${c.dim(symbols.empty.repeat(bar - full))}${percent}  ${c.dim(figures)}`;
  };

  const countsLine = (width: number): string => {
    const { ok = 0, cached = 0, failed = 0 } = state.counts;
    const parts = [
      `${ok} done`,
      ...(cached > 0 ? [`${cached} cached`] : []),
      ...(failed > 0 ? [`${failed} failed`] : []),
      ...(state.working.size > 0 ? [`${state.working.size} running`] : []),
      `${state.left} left`,
      duration((clock() - state.begun) / 1000),
      ...(state.stopping ? ['stopping'] : []),
    ];
    return c.dim(cut(`  ${parts.join(` ${symbols.dot} `)}`, width));
  };

  const draw = () => {
    if (state.total === 0) return;
    // A line as wide as the terminal would wrap, and the next redraw would miss it.
    const width = (stream.columns || 80) - 1;
    const rows = Math.max(1, (stream.rows || 24) - 2);
    const working = [...state.working.values()];
    const name = Math.min(
      widestName,
      Math.floor(width / 3),
      Math.max(0, ...working.map((at) => at.name.length)),
    );
    const lines = working.slice(0, rows - 1).map((at) => stageLine(at, name, width));
    if (working.length > lines.length) lines.push(c.dim(`  and ${working.length - lines.length} more`));
    update([...lines, countsLine(width)].join('\n'));
  };

  const leave = () => {
    update.clear();
    update.done();
  };

  const timer = setInterval(() => {
    frame++;
    draw();
  }, frameMilliseconds);
  timer.unref();

  return {
    take(event: RunEvent) {
      state.take(event, clock());
      // A start is shown by the stage's own line.
      const lines = event.type === 'stage-started' && !options.verbose ? [] : linesFor(event, state, options);
      if (lines.length === 0) return;
      update.clear();
      stream.write(lines.map((line) => `${line}\n`).join(''));
      draw();
    },
    pause: leave,
    close() {
      clearInterval(timer);
      leave();
    },
  };
}
