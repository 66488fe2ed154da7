/**
 * Runs an experiment: plans it, schedules what must run, writes the journal, tells every event. The one function behind
 * `cemiflow run`.
 */
import { hostname } from 'node:os';
import { type Cache, openCache } from '../cache/cache.js';
import type { Experiment, StageInstance } from '../experiment/experiment.js';
import type { PlannedStage } from '../journal/events.js';
import { cacheRoot } from '../journal/run-folder.js';
import { createJournal, type JournalWriter } from '../journal/writer.js';
import { planAll } from '../plan/make-plan.js';
import type { Decision, StageResult } from '../plan/plan.js';
import { type Selection, selectStages } from '../plan/select.js';
import type { RunEvent } from './events.js';
import type { Gpu } from './gpu-list.js';
import { GpuLeases, gpusOf, mayUseGpus } from './gpus.js';
import { RunBook } from './run-book.js';
import type { FailureMode } from './scheduler.js';
import { sourceState } from './source-state.js';
import type { RunOutcome } from './summary.js';
import { remainingPaths, secondsBefore } from './urgency.js';

export interface RunOptions {
  /** Where runs and the cache of results are; absolute. */
  runsDir: string;
  /** The server that the run will be delivered to, for the journal. */
  tracking?: { uri: string; experiment: string } | undefined;
  /** As typed, for the journal. */
  command: string[];
  /** Of cemiflow. */
  version: string;
  /** 'auto' or a device's name. */
  device: string;
  /** Stages at a time; only CPUs and GPUs limit them where absent. */
  jobs?: number | undefined;
  failureMode: FailureMode;
  /** Names of stages or instances to run whether or not there is a result. */
  force: ReadonlySet<string>;
  until?: string | undefined;
  only?: string | undefined;
  /** Seconds that a stage which was told to stop may take to write its checkpoint. */
  grace: number;
  /** Start nothing new, let what runs write a checkpoint and end. */
  stop: AbortSignal;
  /** End what runs now. */
  kill: AbortSignal;
}

/** What is asked cannot be run: known before anything starts. */
export class RunRefused extends Error {
  override readonly name = 'RunRefused';
  constructor(
    message: string,
    readonly remedy: string,
  ) {
    super(message);
  }
}

/**
 * @throws RunRefused, SelectionError (an option names no stage), CacheError (an outside input cannot be read, the runs folder
 * cannot be written)
 */
export async function runExperiment(
  experiment: Experiment,
  options: RunOptions,
  onEvent: (event: RunEvent) => void,
): Promise<RunOutcome> {
  // Another process: it answers while this one plans.
  const source = sourceState(experiment.file);
  const cache = await openCache(cacheRoot(options.runsDir));
  try {
    const { force, until, only } = options;
    const selection = selectStages(experiment, { force, until, only });
    const end = only ?? until;
    const decisions = await planAll(experiment, cache, {
      force,
      ...(end === undefined ? {} : { until: end }),
    });
    refuseMissing(selection, decisions);
    // Those with a result need no GPU, and where none is needed nvidia-smi need not be asked for seconds.
    const open = selection.needed.filter(({ name }) => decisions.get(name)?.act !== 'reuse');
    const gpus = open.some((instance) => mayUseGpus(instance, options.device)) ? await gpusHere() : [];
    for (const instance of open) refuseImpossible(instance, options.device, gpus.length);
    const journal = createJournal(options.runsDir, experiment.composed);
    try {
      const leases = new GpuLeases(gpus);
      const git = await source;
      return await recorded({
        experiment,
        options,
        cache,
        selection,
        decisions,
        git,
        leases,
        journal,
        onEvent,
      });
    } finally {
      journal.close();
    }
  } finally {
    await cache.close();
  }
}

async function gpusHere(): Promise<Gpu[]> {
  const { discoverGpus } = await import('./gpu-list.js');
  return discoverGpus();
}

interface Parts {
  experiment: Experiment;
  options: RunOptions;
  cache: Cache;
  selection: Selection;
  decisions: Map<string, Decision>;
  git: Awaited<ReturnType<typeof sourceState>>;
  leases: GpuLeases;
  journal: JournalWriter;
  onEvent: (event: RunEvent) => void;
}

/** From the journal's first line to its last. */
async function recorded(parts: Parts): Promise<RunOutcome> {
  const { experiment, options, cache, selection, decisions, git, leases, journal, onEvent } = parts;
  const { needed, forced } = selection;
  const begun = performance.now();
  const idle = [...decisions.values()].every(({ act }) => act === 'reuse');
  const seconds = idle ? new Map<string, number>() : secondsBefore(options.runsDir, experiment.name);
  const instances = new Map(needed.map((instance) => [instance.name, instance]));
  const book = new RunBook(instances, journal, cache, onEvent);
  book.tell({
    type: 'run-started',
    run: journal.run,
    name: experiment.name,
    file: experiment.file,
    command: options.command,
    pid: process.pid,
    host: hostname(),
    device: options.device,
    version: options.version,
    ...(git ? { git } : {}),
    seed: experiment.seed,
    params: experiment.params,
    report: experiment.report,
    ...(options.tracking ? { tracking: options.tracking } : {}),
    stages: needed.map(asPlanned),
  });
  onEvent({ type: 'planned', folder: journal.folder, decisions, seconds });
  const secondsSince = () => (performance.now() - begun) / 1000;
  if (idle) for (const { name } of needed) book.cached(name, resultOf(decisions.get(name)!));
  else
    try {
      // What starts processes is loaded only where there is something to run.
      const { visitStages } = await import('./visits.js');
      const urgency = remainingPaths(needed, seconds);
      await visitStages({
        experiment,
        options,
        cache,
        instances,
        decisions,
        forced,
        urgency,
        leases,
        journal,
        book,
      });
    } catch (error) {
      book.tell({ type: 'run-ended', status: 'failed', seconds: secondsSince(), error: String(error) });
      throw error;
    }
  const stages = book.stages();
  const ok = stages.every(({ status }) => status === 'ok' || status === 'cached');
  const status = ok ? 'ok' : options.stop.aborted ? 'interrupted' : 'failed';
  const total = secondsSince();
  book.tell({ type: 'run-ended', status, seconds: total });
  return {
    summary: { run: journal.run, ok, seconds: total, device: options.device, stages },
    status,
    folder: journal.folder,
    remedies: book.remedies,
    scratch: book.scratch,
  };
}

function resultOf(decision: Decision): StageResult {
  if (decision.act !== 'reuse') throw new TypeError(`${decision.stage} is not cached: ${decision.act}`);
  return decision.result;
}

function asPlanned(instance: StageInstance): PlannedStage {
  const { name, stage, kind, point, settings, inputs, outputs, seed, resources } = instance;
  const types = Object.fromEntries(Object.entries(outputs).map(([output, { type }]) => [output, { type }]));
  return { name, stage, kind, point, settings, inputs, outputs: types, seed, cpus: resources.cpus };
}

/** With --only, what the stage depends on must be there. */
function refuseMissing({ wanted, needed }: Selection, decisions: ReadonlyMap<string, Decision>): void {
  const missing = needed.filter(({ name }) => !wanted.has(name) && decisions.get(name)?.act !== 'reuse');
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name).join(', ');
  throw new RunRefused(
    `--only: ${names} ${missing.length === 1 ? 'has' : 'have'} no result yet, and must run before`,
    `Use --until instead: it runs what a stage depends on.`,
  );
}

/** A stage that must have more GPUs than the machine has would wait for ever. */
function refuseImpossible(instance: StageInstance, device: string, present: number): void {
  const wanted = gpusOf(instance, device, present);
  if (wanted <= present) return;
  const { file, line, column } = instance.place;
  throw new RunRefused(
    `${file}:${line}:${column}: ${instance.name} asks for ${wanted} ${wanted === 1 ? 'GPU' : 'GPUs'}, and ${present === 0 ? 'none is' : `${present} ${present === 1 ? 'is' : 'are'}`} visible here`,
    'Lower resources.gpus, or look at CUDA_VISIBLE_DEVICES and `cemiflow doctor`.',
  );
}
