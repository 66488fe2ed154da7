/**
 * Time that a stage could use. A laptop that was closed, or a run that was stopped (Ctrl-Z) and continued, has had none meanwhile: its
 * stage must not be over its time for that.
 */

/** The clock is looked at so often... */
const tickMilliseconds = 500;
/** ...and an engine at work looks at it this much late at the most; what is more, it slept. */
const lateMilliseconds = 1000;

/**
 * Calls `over` once, after so many seconds in which this process was not suspended.
 * @returns what ends it early
 */
export function countdown(seconds: number, over: () => void): () => void {
  let left = seconds * 1000;
  let timer: NodeJS.Timeout;
  const tick = () => {
    const wanted = Math.min(left, tickMilliseconds);
    const begun = performance.now();
    timer = setTimeout(() => {
      left -= Math.min(performance.now() - begun, wanted + lateMilliseconds);
      if (left <= 0) over();
      else tick();
    }, wanted);
  };
  tick();
  return () => clearTimeout(timer);
}
