/** One line on stderr that is written over, where somebody looks at it. */
import type { CommonOptions } from '../options.js';

const EVERY_MILLISECONDS = 100;

export interface ProgressLine {
  show(text: string): void;
  clear(): void;
}

export function progressLine({ quiet, json }: CommonOptions): ProgressLine {
  const { stderr } = process;
  if (quiet || json || !stderr.isTTY) return { show: () => undefined, clear: () => undefined };
  let last = -Infinity;
  return {
    show(text) {
      const now = performance.now();
      if (now - last < EVERY_MILLISECONDS) return;
      last = now;
      stderr.write(`\r${text.slice(0, stderr.columns - 1)}\x1b[K`);
    },
    clear() {
      if (last > -Infinity) stderr.write('\r\x1b[K');
    },
  };
}
