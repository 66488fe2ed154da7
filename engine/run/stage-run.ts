/**
 * Runs one stage to its end: takes its key in the cache and its GPUs, makes attempts until one succeeds or another would not help, and
 * commits what the good one wrote.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attempt } from '../cache/attempt.js';
import type { Cache } from '../cache/cache.js';
import { type Owner, thisProcess } from '../cache/owner.js';
import { CacheError } from '../cache/trouble.js';
import type { Experiment, FailureClass, Retry, StageInstance } from '../experiment/experiment.js';
import type { Decision, OutputRecord, StageResult } from '../plan/plan.js';
import type { GpuHolder, GpuLease, GpuLeases } from './gpus.js';
import { changedInput } from './changed-input.js';
import type { AttemptEnd, Metric, Progress } from './messages.js';
import { oneAttempt } from './one-attempt.js';
import { openLog, type StageLog } from './stage-log.js';

/** The longest wait between two attempts. */
const longestBackoffSeconds = 600;

export interface StageListener {
  started(attempt: number): void;
  progress(progress: Progress): void;
  metric(metric: Metric): void;
  /** One or more lines. */
  log(lines: string): void;
  warning(text: string): void;
  waiting(text: string): void;
  retrying(next: Retrying): void;
}

/** An attempt has failed, and there will be another. */
export interface Retrying {
  /** The next one, and how many there may be. */
  attempt: number;
  of: number;
  class: FailureClass;
  error: string;
  /** Until it begins. */
  seconds: number;
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
  /** Seconds that an attempt may take to write its checkpoint once it was told to stop. */
  grace: number;
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
  | (Trouble & Measured);

interface Trouble {
  status: 'failed' | 'cancelled';
  error: string;
  remedy?: string;
  /** A folder with what the failed attempt had written. */
  scratch?: string;
}

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
      lease = await leases.take(gpus, { run: work.run, stage: work.instance.name }, cancel, (holder) =>
        listener.waiting(`for a GPU in use by ${whose(holder)}`),
      );
    const end = await attempts(work, attempt, lease, listener);
    if (end.status !== 'ok') await attempt.abandon({ keep: true });
    return end;
  } catch (error) {
    const scratch = error instanceof CacheError ? await attempt?.setAside() : undefined;
    await attempt?.abandon({ keep: true });
    // Told to stop while it waited; sleep() wraps the reason in an AbortError.
    if (cancel.aborted && (error === cancel.reason || (error as Error).name === 'AbortError'))
      return ended({ status: 'cancelled', error: (cancel.reason as Error).message });
    if (error instanceof CacheError)
      return ended({ status: 'failed', error: error.message, remedy: error.remedy, ...given({ scratch }) });
    throw error;
  } finally {
    await lease?.release();
  }
}

const nothing = { peakRssBytes: 0, device: '', attempt: 0, metrics: {}, warnings: [] };

async function attempts(
  work: StageWork,
  attempt: Attempt,
  lease: GpuLease | undefined,
  listener: StageListener,
): Promise<StageEnd> {
  const log = openLog(work.logFile);
  try {
    return await logged(work, attempt, lease, listener, log);
  } finally {
    log.close();
  }
}

async function logged(
  work: StageWork,
  attempt: Attempt,
  lease: GpuLease | undefined,
  listener: StageListener,
  log: StageLog,
): Promise<StageEnd> {
  const { instance, decision, cancel } = work;
  const { retry } = instance;
  const begun = performance.now();
  for (let number = 1; ; number++) {
    listener.started(number);
    log.remark(
      `${new Date().toISOString()} ${instance.name}, attempt ${number}, key ${decision.key.slice(0, 12)}`,
    );
    const { end: made, heard } = await oneAttempt(work, attempt, lease, listener, log);
    const end = made.ok ? ((await changedInput(work)) ?? made) : made;
    const measured: Measured = {
      seconds: secondsSince(begun),
      peakRssBytes: made.peakRssBytes,
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
    const { message: error } = end;
    log.remark(`failed: ${error}`);
    const scratch = await attempt.setAside();
    if (!helps(retry, number, end)) {
      const remedy = end.remedy ?? whyNotAgain(retry, end);
      return { status: 'failed', error, ...given({ remedy, scratch }), ...measured };
    }
    const seconds = waitBefore(number, retry.backoff);
    listener.retrying({ attempt: number + 1, of: retry.times + 1, class: end.class, error, seconds });
    log.remark(`next attempt in ${seconds.toFixed(1)} s`);
    await sleep(seconds * 1000, undefined, { signal: cancel });
  }
}

type Failed = Extract<AttemptEnd, { ok: false }>;

/** Whether another attempt may do better. A program that is wrong is wrong the next time, too. */
function helps({ times, on }: Retry, attempt: number, end: Failed): boolean {
  return attempt <= times && !end.final && on.includes(end.class);
}

function whyNotAgain({ times, on }: Retry, end: Failed): string | undefined {
  if (times === 0 || on.includes(end.class)) return undefined;
  return `It was not tried again, as that would come to the same (retry.on has ${on.join(', ')}, and this is '${end.class}').`;
}

/** Doubled each time, and by chance from a half to one and a half of it: many stages that failed together must not come back together. */
function waitBefore(attempt: number, backoff: number): number {
  return Math.min(longestBackoffSeconds, backoff * 2 ** (attempt - 1)) * (0.5 + Math.random());
}

function commit(work: StageWork, attempt: Attempt, measured: Measured): Promise<StageResult> {
  const { instance, decision, run } = work;
  const { metrics, warnings, ...by } = measured;
  return attempt.commit({
    components: decision.components,
    outputs: Object.fromEntries(Object.entries(instance.outputs).map(([name, { type }]) => [name, type])),
    outside: outsideInputs(work),
    metrics,
    warnings,
    by: { run, stage: instance.name, at: new Date().toISOString(), ...by },
  });
}

/** The paths of outside inputs, by digest. */
function outsideInputs({ instance, decision }: StageWork): Map<string, string> {
  return new Map(
    Object.entries(instance.inputs).flatMap(([name, sources]) =>
      sources.flatMap((source, index): [string, string][] =>
        source.from === 'path' ? [[decision.components.inputs[name]![index]!, source.path]] : [],
      ),
    ),
  );
}

/** Without what is undefined. */
function given<T extends Record<string, string | undefined>>(values: T): { [K in keyof T]?: string } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: string;
  };
}

const secondsSince = (begun: number) => (performance.now() - begun) / 1000;

function whose(owner: Owner | GpuHolder | undefined): string {
  if (!owner) return 'another engine';
  // Two points of a matrix that differ in nothing the stage reads have one key.
  if (owner.pid === process.pid && owner.host === thisProcess().host) return 'another stage of this run';
  const engine = `another engine (process ${owner.pid} on ${owner.host})`;
  return 'stage' in owner ? `${engine} for ${owner.stage} of run ${owner.run}` : engine;
}
