/**
 * The queue that p-queue draws from: of the stages that are ready, the most urgent one for which enough CPUs, GPUs and memory are free.
 * p-queue itself counts the jobs (-j).
 */
import PQueue, { type Queue, type QueueAddOptions } from 'p-queue';

export interface Need {
  cpus: number;
  gpus: number;
  /** Bytes it is expected to take at its peak; 0 where nothing is known. */
  memory: number;
  /** Higher goes first. */
  priority: number;
}

type Run = () => Promise<unknown>;
type Options = QueueAddOptions & Partial<Need>;

class ReadyStages implements Queue<Run, Options> {
  private ready: { run: Run; need: Need }[] = [];

  constructor(private readonly free: Room) {}

  /** What p-queue may start now: those that wait for slots are not offered. */
  get size(): number {
    return this.ready.filter(({ need }) => this.fits(need)).length;
  }

  enqueue(run: Run, options: Options = {}): void {
    const { cpus = 1, gpus = 0, memory = 0, priority = 0 } = options;
    this.ready.push({ run, need: { cpus, gpus, memory, priority } });
    // Stable: among equals the one that was ready first.
    this.ready.sort((a, b) => b.need.priority - a.need.priority);
  }

  /** The slots are taken here, so that no second stage is offered them, and given back by `withSlots`. */
  dequeue(): Run | undefined {
    const index = this.ready.findIndex(({ need }) => this.fits(need));
    const [entry] = index < 0 ? [] : this.ready.splice(index, 1);
    if (!entry) return undefined;
    this.free.cpus -= entry.need.cpus;
    this.free.gpus -= entry.need.gpus;
    this.free.memory -= entry.need.memory;
    return entry.run;
  }

  filter(): Run[] {
    return this.ready.map(({ run }) => run);
  }

  setPriority(): void {
    // p-queue finds tasks by an id; ours have none and their priority does not change.
  }

  private fits({ cpus, gpus, memory }: Need): boolean {
    return cpus <= this.free.cpus && gpus <= this.free.gpus && memory <= this.free.memory;
  }
}

/** What there is of each. */
export type Room = Omit<Need, 'priority'>;

export interface Slots {
  /** Runs `work` once its slots are free. */
  run<T>(need: Need, work: () => Promise<T>): Promise<T>;
}

/**
 * @param jobs stages at a time; at least 1
 * @param total what the machine has; a stage that asks for more CPUs or memory than that runs alone
 */
export function openSlots(jobs: number, total: Room): Slots {
  const free = { ...total };
  class Ready extends ReadyStages {
    constructor() {
      super(free);
    }
  }
  const queue = new PQueue<Ready, Options>({ concurrency: jobs, queueClass: Ready });
  return {
    async run(asked, work) {
      const need = {
        ...asked,
        cpus: Math.min(asked.cpus, total.cpus),
        memory: Math.min(asked.memory, total.memory),
      };
      const start = () => {
        queue.start();
        // It starts one task for each that ends; the slots of one big stage may serve several small ones.
        queue.concurrency = jobs;
      };
      // Not before all that became ready at this moment has queued, so that the most urgent one goes first.
      queue.pause();
      setImmediate(start);
      try {
        return await queue.add(async () => {
          try {
            return await work();
          } finally {
            free.cpus += need.cpus;
            free.gpus += need.gpus;
            free.memory += need.memory;
          }
        }, need);
      } finally {
        start();
      }
    },
  };
}
