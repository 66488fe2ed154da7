/**
 * Runs one stage to its end: takes its key in the cache and its GPUs, makes attempts until one succeeds or none is left, and
 * commits what the good one wrote. Cancelling and time-outs ask for a checkpoint first and kill after a while.
 */
import type { Attempt } from '../cache/attempt.js';
import type { Cache } from '../cache/cache.js';
import type { Owner } from '../cache/owner.js';
import { CacheError } from '../cache/trouble.js';
import type { Experiment, StageInstance } from '../experiment/experiment.js';
import type { Decision, OutputRecord, StageResult } from '../plan/plan.js';
import { runCommand } from './command-attempt.js';
import { type GpuLease, type GpuLeases, noGpu } from './gpus.js';
import { makeJob } from './job.js';
import type { AttemptEnd, AttemptListener, Progress, RunningAttempt } from './messages.js';
import { runInNode } from './node-attempt.js';
import { openLog, type StageLog } from './stage-log.js';

/** How long a cancelled attempt may take to write its checkpoint. */
const graceSeconds = 20;

export interface StageListener {
  started(attempt: number): void;
  progress(progress: Progress): void;
  metric(name: string, value: number, step?: number): void;
  log(line: string): void;
  warning(text: string): void;
  waiting(text: string): void;
  retrying(attempt: number, error: string): void;
}

export interface StageWork {
  run: string;
  experiment: Experiment;
  instance: StageInstance;
  decision: Extract<Decision, { act: 'run' }>;
  cache: Cache;
  leases: GpuLeases;
  gpus: number;
  /** The device asked for on the command line. */
  device: string;
  logFile: string;
  outputsOf(instance: string): Readonly<Record<string, OutputRecord>>;
  /** Aborted with an Error whose message is the reason: checkpoint, then end. */
  cancel: AbortSignal;
  /** Aborted: end now. */
  kill: AbortSignal;
}

export interface Measured {
  seconds: number;
  peakRssBytes: number;
  device: string;
  attempt: number;
  metrics: Readonly<Record<string, number>>;
  warnings: readonly string[];
}

export type StageEnd =
  | ({ status: 'ok'; result: StageResult } & Measured)
  /** Another engine made it while we waited for the key. */
  | { status: 'cached'; result: StageResult }
  | ({ status: 'failed' | 'cancelled'; error: string; remedy?: string } & Measured);

export async function runStage(work: StageWork, listener: StageListener): Promise<StageEnd> {
  const { decision, cancel, cache, leases, gpus } = work;
  const begun = performance.now();
  const ended = (how: Trouble): StageEnd => ({ ...how, ...nothing, seconds: secondsSince(begun) });
  let attempt: Attempt | undefined;
  let lease: GpuLease | undefined;
  try {
    const taken = await cache.beginAttempt(decision.key, {
      force: decision.because.some((reason) => reason.kind === 'forced'),
      signal: cancel,
      waiting: (owner) => listener.waiting(`${whose(owner)} works on the same`),
    });
    if (taken.result) return { status: 'cached', result: taken.result };
    attempt = taken.attempt;
    if (gpus > 0)
      lease = await leases.take(gpus, cancel, (owner) =>
        listener.waiting(`for a GPU in use by ${whose(owner)}`),
      );
    const end = await attempts(work, attempt, lease, listener);
    if (end.status !== 'ok') await attempt.abandon({ keep: true });
    return end;
  } catch (error) {
    await attempt?.abandon({ keep: true });
    // Told to stop while it waited; sleep() wraps the reason in an AbortError.
    if (cancel.aborted && (error === cancel.reason || (error as Error).name === 'AbortError'))
      return ended({ status: 'cancelled', error: (cancel.reason as Error).message });
    if (error instanceof CacheError)
      return ended({ status: 'failed', error: error.message, remedy: error.remedy });
    throw error;
  } finally {
    await lease?.release();
  }
}

type Trouble = { status: 'failed' | 'cancelled'; error: string; remedy?: string };

const nothing = { peakRssBytes: 0, device: '', attempt: 0, metrics: {}, warnings: [] };

async function attempts(
  work: StageWork,
  attempt: Attempt,
  lease: GpuLease | undefined,
  listener: StageListener,
): Promise<StageEnd> {
  const { instance, decision, cancel } = work;
  const log = openLog(work.logFile);
  const begun = performance.now();
  for (let number = 1; ; number++) {
    const last = number >= instance.retry.attempts;
    listener.started(number);
    log.remark(
      `${new Date().toISOString()} ${instance.name}, attempt ${number}, key ${decision.key.slice(0, 12)}`,
    );
    const { end, why, heard } = await oneAttempt(work, attempt, lease, listener, log);
    const measured: Measured = {
      seconds: secondsSince(begun),
      peakRssBytes: end.peakRssBytes,
      device: heard.device,
      attempt: number,
      metrics: Object.fromEntries(heard.metrics),
      warnings: heard.warnings,
    };
    if (end.ok) {
      const result = await commit(work, attempt, measured);
      log.remark(`ended well after ${measured.seconds.toFixed(1)} s`);
      return { status: 'ok', result, ...measured };
    }
    if (cancel.aborted) {
      const error = (cancel.reason as Error).message;
      log.remark(`cancelled: ${error}`);
      return { status: 'cancelled', error, ...measured };
    }
    const error = why ?? end.message;
    log.remark(`failed: ${error}`);
    if (last || end.final) {
      return {
        status: 'failed',
        error,
        ...(end.remedy === undefined ? {} : { remedy: end.remedy }),
        ...measured,
      };
    }
    listener.retrying(number + 1, error);
  }
}

function commit(work: StageWork, attempt: Attempt, measured: Measured): Promise<StageResult> {
  const { instance, decision, run } = work;
  const { metrics, warnings, ...by } = measured;
  return attempt.commit({
    components: decision.components,
    outputs: Object.fromEntries(Object.entries(instance.outputs).map(([name, { type }]) => [name, type])),
    metrics,
    warnings,
    by: { run, stage: instance.name, at: new Date().toISOString(), ...by },
  });
}

interface Heard {
  metrics: Map<string, number>;
  warnings: string[];
  device: string;
}

/** `why`: our own reason for ending it, where we had one. */
async function oneAttempt(
  work: StageWork,
  attempt: Attempt,
  lease: GpuLease | undefined,
  listener: StageListener,
  log: StageLog,
): Promise<{ end: AttemptEnd; why?: string; heard: Heard }> {
  const { instance, leases, cancel, kill } = work;
  const job = await makeJob(instance, { ...work, attempt });
  // Until the stage says more: what has no device of its own computes on the processor.
  const heard: Heard = {
    metrics: new Map(),
    warnings: [],
    device: instance.declaration.device ? job.device : 'cpu',
  };
  const listening: AttemptListener = {
    progress: (progress) => listener.progress(progress),
    metric(name, value, step) {
      heard.metrics.set(name, value);
      listener.metric(name, value, step);
    },
    log(line) {
      log.write(line);
      listener.log(line);
    },
    warning(text) {
      log.write(`warning: ${text}`);
      heard.warnings.push(text);
      listener.warning(text);
    },
    device(name) {
      heard.device = name;
    },
  };
  const environment = {
    OMP_NUM_THREADS: String(job.threads),
    ...(lease?.environment ?? (leases.gpus.length > 0 ? noGpu : {})),
  };
  const execute = instance.kind === 'command' ? runCommand : runInNode;
  const running = execute(job, environment, listening);
  try {
    if (running.pid !== undefined) {
      await attempt.holdFor(running.pid);
      await lease?.holdFor(running.pid);
    }
  } catch (error) {
    running.kill();
    await running.ended;
    throw error;
  }
  return { heard, ...(await supervised(running, { timeout: instance.timeout, cancel, kill })) };
}

/** Waits for the end of an attempt, and brings it about on a time-out or on the user's word. */
async function supervised(
  running: RunningAttempt,
  { timeout, cancel, kill }: { timeout: number | undefined; cancel: AbortSignal; kill: AbortSignal },
): Promise<{ end: AttemptEnd; why?: string }> {
  let why: string | undefined;
  const timers: NodeJS.Timeout[] = [];
  const stop = (reason: string) => {
    running.cancel(reason);
    timers.push(setTimeout(() => running.kill(), graceSeconds * 1000));
  };
  const onCancel = () => stop((cancel.reason as Error).message);
  const onKill = () => running.kill();
  if (timeout !== undefined)
    timers.push(
      setTimeout(() => {
        why = `timed out after ${timeout} s`;
        stop(why);
      }, timeout * 1000),
    );
  // An abort may have come while the process was being started.
  if (cancel.aborted) onCancel();
  if (kill.aborted) onKill();
  cancel.addEventListener('abort', onCancel);
  kill.addEventListener('abort', onKill);
  try {
    const end = await running.ended;
    return { end, ...(why === undefined ? {} : { why }) };
  } finally {
    for (const timer of timers) clearTimeout(timer);
    cancel.removeEventListener('abort', onCancel);
    kill.removeEventListener('abort', onKill);
  }
}

const secondsSince = (begun: number) => (performance.now() - begun) / 1000;

const whose = (owner: Owner | undefined) =>
  owner ? `another engine (process ${owner.pid} on ${owner.host})` : 'another engine';
