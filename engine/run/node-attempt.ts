/** Runs a stage in a Node process of its own (attempt-child.ts): its memory and its GPU go back when it ends, its crash is its own. */
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { asChild, watchAttempt } from './attempt-process.js';
import { failureOfDeath } from './failure.js';
import { LastLines } from './last-lines.js';
import type { AttemptEnd, Executor, FromAttempt, ToAttempt } from './messages.js';
import { watchMemory } from './memory-watch.js';
import { MARK } from './process-group.js';

/** Seen from here, and from the command line's bundle. */
const program = fileURLToPath(new URL('../run/attempt-child.js', import.meta.url));

/**
 * What is young in V8's heap may take three times this before it is cleared; at V8's own 16 MiB a stage is tens of megabytes larger for
 * garbage, of arrays that lie outside the heap, too. A training makes little that lives longer.
 */
const youngMebibytes = 2;
/**
 * Old garbage is first collected when the heap has this size, later by what was left. V8 by itself let it come to more than twice that: an
 * import of 100,000 photographs grew to its end.
 */
const oldMebibytes = 24;
const heap = [`--max-semi-space-size=${youngMebibytes}`, `--initial-old-space-size=${oldMebibytes}`];

export const runInNode: Executor = (job, environment, mark, listener) => {
  const child = execa(process.execPath, [...heap, program], {
    // Node's channel alone: execa's own, `ipc: true`, takes one message a turn of the event loop, and a training that tells thousands a
    // second would fill the memory with the others.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    buffer: false,
    env: { ...environment, [MARK]: mark },
    cwd: job.experimentFolder,
    detached: true,
    // A detached child outlives us unless it notices: it ends when its IPC channel does.
    cleanup: false,
    reject: false,
  });
  const tell = (message: ToAttempt) => {
    // It may just have died: then `ended` says so.
    if (child.connected) child.send?.(message, () => undefined);
  };
  let last: Extract<FromAttempt, { type: 'done' | 'error' }> | undefined;
  child.on('message', (message: FromAttempt) => {
    switch (message.type) {
      case 'progress': {
        const { type: _, ...progress } = message;
        return listener.progress(progress);
      }
      case 'metrics':
        return message.metrics.forEach((metric) => listener.metric(metric));
      case 'log':
        return listener.log(message.line);
      case 'warning':
        return listener.warning(message.text);
      case 'device':
        return listener.device(message.name);
      case 'done':
      case 'error':
        last = message;
        return;
    }
  });
  const memory = watchMemory(child.pid);
  const words = new LastLines();
  const hear = (lines: string) => {
    words.add(lines);
    listener.log(lines);
  };
  const attempt = watchAttempt(asChild(child), { mark, stdout: hear, stderr: hear, ours: 0 });
  tell({ type: 'job', job });
  return Promise.resolve({
    pid: child.pid,
    cancel: (reason: string) => tell({ type: 'cancel', reason }),
    kill: () => attempt.kill(),
    ended: end(),
  });

  async function end(): Promise<AttemptEnd> {
    const death = await attempt.ended;
    // What it says of itself is exact, and without what it started; what was seen has that, and may have missed its last moment.
    const taken = memory.stop();
    const peakRssBytes = Math.max(taken.peakBytes, last?.peakRssBytes ?? 0);
    if (last?.type === 'done') return { ok: true, peakRssBytes };
    if (last?.type === 'error') {
      const { type: _, stack, ...failure } = last;
      if (stack !== undefined) listener.log(stack);
      return { ok: false, ...failure, peakRssBytes, final: failure.remedy !== undefined };
    }
    const failure = failureOfDeath(death, words.text, { ...taken, batch: job.settings['batch'] });
    return { ok: false, peakRssBytes, final: false, ...failure };
  }
};
