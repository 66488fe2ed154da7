/** Does what the scheduler orders: looks a stage up in the cache, decides anew once its inputs are known, runs it, keeps the books. */
import type { Cache } from '../cache/cache.js';
import { CacheError } from '../cache/trouble.js';
import type { Experiment, StageInstance } from '../experiment/experiment.js';
import { logFile } from '../journal/run-folder.js';
import type { JournalWriter } from '../journal/writer.js';
import { decideStage } from '../plan/make-plan.js';
import type { Decision } from '../plan/plan.js';
import { type GpuLeases, gpusOf } from './gpus.js';
import type { MemoryNeeds } from './memory-need.js';
import type { RunBook } from './run-book.js';
import type { RunOptions } from './run-experiment.js';
import type { Crew } from './scheduler.js';
import { runStage, type StageListener } from './stage-run.js';

export interface CrewParts {
  experiment: Experiment;
  options: Pick<RunOptions, 'device' | 'grace' | 'kill'>;
  /** The run, and its folder. */
  journal: Pick<JournalWriter, 'run' | 'folder'>;
  cache: Cache;
  /** By name, in topological order. */
  instances: ReadonlyMap<string, StageInstance>;
  /** From the plan; what was 'maybe' is decided here, as soon as all above has ended. */
  decisions: Map<string, Decision>;
  forced: ReadonlySet<string>;
  urgency: ReadonlyMap<string, number>;
  leases: GpuLeases;
  book: RunBook;
}

export interface RunCrew extends Crew {
  /** Names of the stages at work. */
  running(): string[];
  /** Whether any was ever at work. */
  readonly started: boolean;
}

export function makeCrew(parts: CrewParts, needs: MemoryNeeds): RunCrew {
  const { experiment, options, journal, instances, decisions, cache, leases, book } = parts;
  const { device } = options;
  const running = new Set<string>();
  const cancel = new AbortController();
  let started = false;

  async function decided(instance: StageInstance): Promise<Decision> {
    const planned = decisions.get(instance.name)!;
    if (planned.act !== 'maybe') return planned;
    const decision = await decideStage(instance, {
      cache,
      experimentFile: experiment.file,
      outputs: book.digestsOf,
      forced: parts.forced.has(instance.name),
    });
    decisions.set(instance.name, decision);
    return decision;
  }

  return {
    running: () => [...running],
    get started() {
      return started;
    },

    async look(name) {
      const instance = instances.get(name)!;
      let decision: Decision;
      try {
        decision = await decided(instance);
      } catch (error) {
        // An outside input vanished, or the disk failed, since the plan was made.
        if (!(error instanceof CacheError)) throw error;
        book.refused(name, error.message, error.remedy);
        return { end: 'failed' };
      }
      if (decision.act === 'reuse') {
        book.cached(name, decision.result);
        return { end: 'cached' };
      }
      const { cpus } = instance.resources;
      const gpus = gpusOf(instance, device, leases.gpus.length);
      const memory = needs.of(instance);
      return { need: { cpus, gpus, memory, priority: parts.urgency.get(name) ?? 0 } };
    },

    async work(name) {
      const instance = instances.get(name)!;
      const decision = decisions.get(name)!;
      if (decision.act !== 'run') throw new TypeError(`${name} is not to be run: ${decision.act}`);
      const file = logFile(journal.folder, name);
      const large = needs.warning(instance);
      if (large !== undefined) book.doubt(name, large);
      running.add(name);
      started = true;
      const end = await runStage(
        {
          run: journal.run,
          experiment,
          instance,
          decision,
          cache,
          leases,
          gpus: gpusOf(instance, device, leases.gpus.length),
          device,
          logFile: file,
          outputsOf: book.outputsOf,
          grace: options.grace,
          cancel: cancel.signal,
          kill: options.kill,
        },
        listenerFor(name, decision.key, file),
      ).finally(() => running.delete(name));
      if (end.status === 'cached') book.cached(name, end.result);
      else book.ended(name, decision, end);
      return end.status;
    },

    skip: (name, because) => book.skipped(name, because),

    cancel: (reason) => cancel.abort(new Error(reason)),
  };

  function listenerFor(stage: string, key: string, log: string): StageListener {
    const instance = instances.get(stage)!;
    return {
      started: (attempt) =>
        book.tell({
          type: 'stage-started',
          stage,
          key,
          attempt,
          device: instance.device ?? device,
          log,
        }),
      progress: (progress) => book.show({ type: 'progress', stage, ...progress }),
      metric: ({ at, ...metric }) => book.tell({ type: 'metric', stage, ...metric }, at),
      log: (lines) => book.show({ type: 'log', stage, lines }),
      warning: (text) => book.tell({ type: 'warning', stage, text }),
      waiting: (text) => book.show({ type: 'waiting', stage, text }),
      retrying: (next) => book.tell({ type: 'retrying', stage, ...next }),
    };
  }
}
