/** The part of a run in which something runs: every stage is visited in its turn, on the slots of the machine, watched over. */
import { availableParallelism } from 'node:os';
import { cacheRoot } from '../journal/run-folder.js';
import type { JournalWriter } from '../journal/writer.js';
import { dependencies } from '../plan/select.js';
import { type CrewParts, makeCrew } from './crew.js';
import { endLaunchers } from './launcher.js';
import { endLeftBehind } from './left-behind.js';
import { memoryNeeds } from './memory-need.js';
import { endMarked } from './process-group.js';
import type { RunOptions } from './run-experiment.js';
import { schedule } from './scheduler.js';
import { openSlots } from './slots.js';
import { watchSystem } from './system-watch.js';

export interface Visits extends CrewParts {
  options: RunOptions;
  journal: JournalWriter;
}

/** Settles when nothing runs any more; how each stage ended is in the book. */
export async function visitStages(visits: Visits): Promise<void> {
  const { options, instances, leases, journal, book } = visits;
  // They hold memory, GPUs and ports that the stages to come need.
  const processes = endLeftBehind(options.runsDir);
  if (processes.length > 0) book.show({ type: 'left-behind', processes });
  const memory = memoryNeeds(cacheRoot(options.runsDir), instances, options.device);
  const crew = makeCrew(visits, memory);
  const onStop = () => {
    book.show({ type: 'stopping', running: crew.running() });
    crew.cancel('interrupted');
  };
  options.stop.addEventListener('abort', onStop);
  const watch = watchSystem(
    options.runsDir,
    leases.gpus.map(({ id }) => id),
    book.tell,
  );
  try {
    await schedule(
      [...instances.values()].map((instance) => ({ name: instance.name, needs: dependencies(instance) })),
      crew,
      openSlots(options.jobs ?? Infinity, {
        cpus: availableParallelism(),
        gpus: leases.gpus.length,
        memory: memory.room,
      }),
      options,
    );
  } finally {
    watch.stop();
    options.stop.removeEventListener('abort', onStop);
    await endLaunchers();
    if (crew.started) endMarked(`${journal.run}/`);
  }
}
