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

/** Of one need: the most urgent first, among equals the one that was ready first. */
class Line {
  /** A binary heap: no entry goes before the one it hangs on, at half its place. */
  private readonly heap: Entry[] = [];

  constructor(readonly need: Room) {}

  get length(): number {
    return this.heap.length;
  }

  get first(): Entry | undefined {
    return this.heap[0];
  }

  put(entry: Entry): void {
    const { heap } = this;
    let at = heap.length;
    for (let above = (at - 1) >> 1; at > 0 && goesBefore(entry, heap[above]!); above = (at - 1) >> 1) {
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = entry;
  }

  takeFirst(): Entry | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || last === undefined) return first;
    let at = 0;
    for (let below = 1; below < heap.length; below = 2 * at + 1) {
      if (below + 1 < heap.length && goesBefore(heap[below + 1]!, heap[below]!)) below++;
      if (!goesBefore(heap[below]!, last)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = last;
    return first;
  }

  runs(): Run[] {
    return this.heap.map(({ run }) => run);
  }
}

interface Entry {
  run: Run;
  priority: number;
  /** How many were ready before. */
  number: number;
}

const goesBefore = (a: Entry, b: Entry): boolean =>
  a.priority > b.priority || (a.priority === b.priority && a.number < b.number);

/** Thousands may be ready at once, and p-queue asks for each that ends: most need the same, and stand in one line. */
class ReadyStages implements Queue<Run, Options> {
  private readonly lines = new Map<string, Line>();
  private count = 0;

  constructor(private readonly free: Room) {}

  /** What p-queue may start now: those that wait for slots are not offered. */
  get size(): number {
    let size = 0;
    for (const line of this.lines.values()) if (this.fits(line.need)) size += line.length;
    return size;
  }

  enqueue(run: Run, options: Options = {}): void {
    const { cpus = 1, gpus = 0, memory = 0, priority = 0 } = options;
    const name = `${cpus} ${gpus} ${memory}`;
    let line = this.lines.get(name);
    if (!line) this.lines.set(name, (line = new Line({ cpus, gpus, memory })));
    line.put({ run, priority, number: this.count++ });
  }

  /** The slots are taken here, so that no second stage is offered them, and given back when its work ends. */
  dequeue(): Run | undefined {
    let best: Line | undefined;
    for (const line of this.lines.values())
      if (line.first && this.fits(line.need) && (!best?.first || goesBefore(line.first, best.first)))
        best = line;
    const entry = best?.takeFirst();
    if (!best || !entry) return undefined;
    this.free.cpus -= best.need.cpus;
    this.free.gpus -= best.need.gpus;
    this.free.memory -= best.need.memory;
    return entry.run;
  }

  filter(): Run[] {
    return [...this.lines.values()].flatMap((line) => line.runs());
  }

  setPriority(): void {
    // p-queue finds tasks by an id; ours have none and their priority does not change.
  }

  private fits({ cpus, gpus, memory }: Room): boolean {
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
