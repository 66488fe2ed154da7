/** Runs a stage in a Node process of its own (attempt-child.ts): its memory and its GPU go back when it ends, its crash is its own. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { AttemptEnd, Executor, FromAttempt, ToAttempt } from './messages.js';
import { signalGroup } from './process-group.js';

const program = fileURLToPath(new URL('./attempt-child.js', import.meta.url));

export const runInNode: Executor = (job, environment, listener) => {
  const child = execa(process.execPath, [program], {
    ipc: true,
    // Messages are handled as they come; kept for the end they would fill the memory.
    buffer: false,
    stdin: 'ignore',
    env: environment,
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
      case 'metric':
        return listener.metric(message.name, message.value, message.step);
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
  // Helpers it left behind (data loaders, servers) must not hold memory, GPUs or our pipes.
  child.once('exit', () => signalGroup(child.pid, 'SIGKILL'));
  tell({ type: 'job', job });
  return {
    pid: child.pid,
    cancel: (reason) => tell({ type: 'cancel', reason }),
    kill: () => signalGroup(child.pid, 'SIGKILL'),
    ended: end(),
  };

  async function end(): Promise<AttemptEnd> {
    const lines = [child.stdout, child.stderr].map((stream) =>
      eachLine(stream, (line) => listener.log(line)),
    );
    const result = await child;
    await Promise.all(lines);
    if (last?.type === 'done') return { ok: true, peakRssBytes: last.peakRssBytes };
    if (last?.type === 'error') {
      if (last.stack !== undefined) for (const line of last.stack.split('\n')) listener.log(line);
      const { message, remedy, peakRssBytes } = last;
      return {
        ok: false,
        message,
        peakRssBytes,
        final: remedy !== undefined,
        ...(remedy === undefined ? {} : { remedy }),
      };
    }
    return { ok: false, peakRssBytes: 0, final: false, ...wordsForDeath(result) };
  }
};

/** Calls `use` with each line; settles when the stream has ended. A carriage return ends a line too: progress bars. */
export async function eachLine(stream: Readable, use: (line: string) => void): Promise<void> {
  const lines = createInterface({ input: stream, crlfDelay: Infinity });
  lines.on('line', use);
  await once(lines, 'close');
}

/** What an end without a last word most likely was. */
export function wordsForDeath(result: {
  exitCode?: number | undefined;
  signal?: string | undefined;
  originalMessage?: string | undefined;
}): { message: string; remedy?: string } {
  const { exitCode, signal, originalMessage } = result;
  if (signal === 'SIGKILL' || exitCode === 137)
    return {
      message: 'its process was killed (SIGKILL)',
      remedy: 'If nobody did that, memory ran out: lower its batch, or run fewer stages at a time with -j 1.',
    };
  if (signal === 'SIGABRT' || exitCode === 134)
    return {
      message: 'its process aborted (SIGABRT)',
      remedy: 'The log says more. If it names a heap limit, memory ran out: lower its batch.',
    };
  if (signal !== undefined) return { message: `its process was ended by ${signal}` };
  if (exitCode !== undefined) return { message: `its process ended with exit code ${exitCode}` };
  return { message: `its process could not be started: ${originalMessage ?? 'unknown reason'}` };
}
