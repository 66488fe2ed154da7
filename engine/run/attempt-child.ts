/**
 * The program of an attempt's process: takes its job over IPC, imports the stage, runs it, and tells the engine what happens.
 * It ends when the engine does: nobody would read its result.
 */
import { subscribe } from 'node:diagnostics_channel';
import { pathToFileURL } from 'node:url';
import {
  deviceChannel,
  type InputArtifact,
  type StageContext,
  type StageDeclaration,
  StageError,
} from '../../stages/contract.js';
import { classOfError, FULL_DISK } from './failure.js';
import { DeadArrays } from './dead-arrays.js';
import type { FromAttempt, Job, Metric, ToAttempt } from './messages.js';
import { notFinite } from './metric-flow.js';

/** Progress is for eyes: ten times a second is plenty. */
const progressMilliseconds = 100;
/**
 * Metrics go out together: a message costs the stage as much as a dozen of them, and wakes the engine. A kill -9 of this process takes
 * those of its last moment, as it takes the work since the last checkpoint.
 */
const gatherMilliseconds = 50;
const gatheredAtMost = 500;

const cancelled = new AbortController();

let waiting: Metric[] = [];
let gathering: NodeJS.Timeout | undefined;

function tellMetric(metric: Metric): void {
  waiting.push(metric);
  // A stage that computes without a pause gives no timer its turn.
  if (waiting.length >= gatheredAtMost || metric.at - waiting[0]!.at >= gatherMilliseconds) tellWaiting();
  else gathering ??= setTimeout(tellWaiting, gatherMilliseconds);
}

function tellWaiting(): void {
  clearTimeout(gathering);
  gathering = undefined;
  if (waiting.length === 0) return;
  const metrics = waiting;
  waiting = [];
  send({ type: 'metrics', metrics });
}

/** In the order of the calls, with metrics that wait before it. */
function tell(message: FromAttempt, sent?: () => void): void {
  tellWaiting();
  send(message, sent);
}

function send(message: FromAttempt, sent?: () => void): void {
  process.send?.(message, undefined, undefined, () => sent?.());
}

/** The highest resident size so far, also of threads; maxRSS is in KiB. */
const peakRssBytes = () => process.resourceUsage().maxRSS * 1024;

process.on('disconnect', () => process.exit(1));
// A stage may end its process itself.
process.on('exit', tellWaiting);
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
process.on('message', (message: ToAttempt) => {
  if (message.type === 'cancel') cancelled.abort(new Error(message.reason));
  else work(message.job).then(() => tell({ type: 'done', peakRssBytes: peakRssBytes() }, exit(0)), fail);
});

/** Handles left open by a library (worker threads, sockets) must not keep the process. */
const exit = (code: number) => () => process.exit(code);

function fail(error: unknown): void {
  const known = error instanceof StageError || isStageError(error);
  const full = fullDisk(error);
  tell(
    {
      type: 'error',
      message: error instanceof Error ? error.message || error.name : String(error),
      class: classOfError(error),
      ...(known && error.remedy !== undefined ? { remedy: error.remedy } : full ? { remedy: full } : {}),
      ...(!known && !full && error instanceof Error && error !== cancelled.signal.reason && error.stack
        ? { stack: withCauses(error) }
        : {}),
      peakRssBytes: peakRssBytes(),
    },
    exit(1),
  );
}

/** A user's own stage may have a StageError class of its own: the name is the contract. */
function isStageError(error: unknown): error is StageError {
  return error instanceof Error && error.name === 'StageError';
}

function fullDisk(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT' ? FULL_DISK : undefined;
}

function withCauses(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${withCauses(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}

async function declarationOf(job: Job): Promise<StageDeclaration> {
  if (job.module === undefined) {
    const { registry } = await import('../../stages/registry.js');
    const declaration = registry.get(job.kind);
    if (!declaration) throw new Error(`there is no stage kind '${job.kind}'`);
    return declaration;
  }
  const loaded = (await import(pathToFileURL(job.module).href)) as { stage?: StageDeclaration };
  if (!loaded.stage) throw new StageError(`${job.module} does not export 'stage'`);
  return loaded.stage;
}

async function work(job: Job): Promise<void> {
  // stages/tensors says which device it opened; the engine only wants its name.
  subscribe(deviceChannel, (name) => tell({ type: 'device', name: String(name) }));
  const { run } = await (await declarationOf(job)).load();
  await run(contextOf(job));
}

function contextOf(job: Job): StageContext {
  const inputs = (name: string): readonly InputArtifact[] => job.inputs[name] ?? [];
  let lastTold = -Infinity;
  const deadArrays = new DeadArrays();
  return {
    settings: job.settings,
    input(name) {
      const first = inputs(name)[0];
      if (!first) throw new StageError(`input '${name}' is not given`, `Bind it under inputs: in the file.`);
      return first;
    },
    inputs,
    has: (name) => inputs(name).length > 0,
    output(name) {
      const folder = job.outputs[name];
      if (folder === undefined) throw new Error(`'${name}' is not an output of ${job.kind}`);
      return folder;
    },
    artifact(digest) {
      const folder = job.artifacts[digest];
      if (folder === undefined) throw new Error(`no input of ${job.stage} refers to artifact ${digest}`);
      return folder;
    },
    checkpoint: job.checkpoint,
    seed: job.seed,
    device: job.device,
    threads: job.threads,
    experimentFolder: job.experimentFolder,
    progress(done, total, note) {
      const now = performance.now();
      if (done < total && now - lastTold < progressMilliseconds) return;
      lastTold = now;
      deadArrays.look();
      tell({ type: 'progress', done, total, ...(note === undefined ? {} : { note }) });
    },
    metric(name, value, step) {
      if (!Number.isFinite(value)) tell({ type: 'warning', text: notFinite({ name, value }) });
      else tellMetric({ name, value, ...(step === undefined ? {} : { step }), at: Date.now() });
    },
    log: (line) => tell({ type: 'log', line }),
    warn: (text) => tell({ type: 'warning', text }),
    signal: cancelled.signal,
  };
}
