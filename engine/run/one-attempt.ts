/** One attempt at a stage: starts its process, hears what it tells, and ends it on a time-out or on the user's word. */
import { randomUUID } from 'node:crypto';
import type { Attempt } from '../cache/attempt.js';
import { hiderOf } from '../credentials.js';
import { runCommand } from './command-attempt.js';
import { countdown } from './countdown.js';
import { type GpuLease, noGpu } from './gpus.js';
import { makeJob } from './job.js';
import type { AttemptEnd, AttemptListener, RunningAttempt } from './messages.js';
import { MetricFlow } from './metric-flow.js';
import { runInNode } from './node-attempt.js';
import type { StageLog } from './stage-log.js';
import type { StageListener, StageWork } from './stage-run.js';

export interface Heard {
  /** Last value of each. */
  metrics: ReadonlyMap<string, number>;
  warnings: readonly string[];
  device: string;
}

export async function oneAttempt(
  work: StageWork,
  attempt: Attempt,
  lease: GpuLease | undefined,
  listener: StageListener,
  log: StageLog,
): Promise<{ end: AttemptEnd; heard: Heard }> {
  const { instance, leases } = work;
  const job = await makeJob(instance, { ...work, attempt });
  const warnings: string[] = [];
  const hide = hiderOf(process.env);
  // Until the stage says more: what has no device of its own computes on the processor.
  let device = instance.declaration.device ? job.device : 'cpu';
  const warning = (said: string) => {
    const text = hide(said);
    log.write(`warning: ${text}`);
    warnings.push(text);
    listener.warning(text);
  };
  const metrics = new MetricFlow((metric) => listener.metric(metric), warning);
  const listening: AttemptListener = {
    progress: ({ note, ...progress }) =>
      listener.progress({ ...progress, ...(note === undefined ? {} : { note: hide(note) }) }),
    metric: (metric) => metrics.take(metric),
    log(said) {
      const lines = hide(said);
      log.write(lines);
      listener.log(lines);
    },
    warning,
    device(name) {
      device = name;
    },
  };
  const environment = {
    OMP_NUM_THREADS: String(job.threads),
    ...(lease?.environment ?? (leases.gpus.length > 0 ? noGpu : {})),
  };
  const execute = instance.kind === 'command' ? runCommand : runInNode;
  const running = await execute(job, environment, `${work.run}/${randomUUID()}`, listening);
  try {
    if (running.pid !== undefined) {
      attempt.holdFor(running.pid);
      lease?.holdFor(running.pid);
    }
  } catch (error) {
    running.kill();
    await running.ended;
    throw error;
  }
  const ended = await supervised(running, work);
  const end = ended.ok ? ended : { ...ended, message: hide(ended.message) };
  return { end, heard: { metrics: metrics.last, warnings, device } };
}

/** Waits for the end of an attempt, and brings it about where it must. */
async function supervised(
  running: RunningAttempt,
  { instance: { timeout }, grace, cancel, kill }: StageWork,
): Promise<AttemptEnd> {
  let late: string | undefined;
  const clocks: (() => void)[] = [];
  const stop = (reason: string) => {
    running.cancel(reason);
    clocks.push(countdown(grace, () => running.kill()));
  };
  const onCancel = () => stop((cancel.reason as Error).message);
  const onKill = () => running.kill();
  if (timeout !== undefined)
    clocks.push(
      countdown(timeout, () => {
        late = `timed out after ${timeout} s`;
        stop(late);
      }),
    );
  // An abort may have come while the process was being started.
  if (cancel.aborted) onCancel();
  if (kill.aborted) onKill();
  cancel.addEventListener('abort', onCancel);
  kill.addEventListener('abort', onKill);
  try {
    const end = await running.ended;
    if (end.ok || late === undefined) return end;
    return { ok: false, peakRssBytes: end.peakRssBytes, message: late, class: 'timeout', final: false };
  } finally {
    for (const end of clocks) end();
    cancel.removeEventListener('abort', onCancel);
    kill.removeEventListener('abort', onKill);
  }
}
