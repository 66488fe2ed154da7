/**
 * Batches are made in threads of their own while the device computes. A batch is a pure function of its step, so neither the number of
 * threads nor how far they are ahead changes a byte of it.
 */
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { type Answer, type Arrays, type BatchMaker, buffersOf, type Order } from './batch-server.js';

/**
 * Batches of each thread that are ready or in the making, unless told otherwise. Two would do for a thread that always has a processor; where
 * other stages take them all, it is let wait for longer than a step. A training's batch is small beside what a step makes of it.
 */
const usuallyAhead = 4;
/** Another thread helps where more of the time than this was spent waiting ... */
const muchWaiting = 0.05;
/** ... for so long. */
const trialMilliseconds = 1000;

export interface PrefetchOptions<Batch> {
  /** At most; it begins with one. None: every batch is made `here`. */
  threads: number;
  /** Makes the first batches in this thread, while the others start: for work that would be done before they are. */
  here?: BatchMaker<Batch>;
  /** Batches of each thread that are ready or in the making. */
  ahead?: number;
}

interface Thread {
  worker: Worker;
  ordered: number;
}

export class Prefetch<Batch extends Arrays> {
  readonly #threads: Thread[] = [];
  readonly #ready = new Map<number, Batch>();
  /** To be filled again: no batch is made in new memory once the first ones have been given back. */
  readonly #spare: Batch[] = [];
  #taken = 0;
  #ordered = 0;
  #end = 0;
  #waiting: { resolve(): void; reject(error: unknown): void } | undefined;
  #failure: { error: unknown } | undefined;
  /** Whether a thread has made a batch. */
  #started = false;
  #trial: { begun: number; waited: number } | undefined;
  readonly #ahead: number;

  /**
   * @param program a module that calls `serveBatches`
   * @param recipe  what that makes its batches from, as structured clone takes it
   */
  constructor(
    private readonly program: URL,
    private readonly recipe: unknown,
    private readonly options: PrefetchOptions<Batch>,
  ) {
    this.#ahead = options.ahead ?? usuallyAhead;
    if (options.threads > 0) this.#grow();
  }

  /** Orders the first batches. @param to the step after the last */
  begin(from: number, to: number): void {
    this.#ordered = this.#taken = from;
    this.#end = to;
    this.#order();
  }

  /**
   * The batch of the next step; steps come in their order.
   * @throws what went wrong where it was made
   */
  async take(): Promise<Batch> {
    const step = this.#taken;
    const asked = performance.now();
    while (!this.#ready.has(step)) {
      if (this.#failure) throw this.#failure.error;
      const here = this.#started ? undefined : this.options.here;
      if (here) this.#ready.set(step, here.at(step, this.#spare.pop()));
      else await new Promise<void>((resolve, reject) => (this.#waiting = { resolve, reject }));
    }
    const batch = this.#ready.get(step)!;
    this.#ready.delete(step);
    this.#taken++;
    this.#weigh(performance.now() - asked);
    this.#order();
    return batch;
  }

  /** Takes a batch back that is of no more use: its memory is filled again. */
  giveBack(batch: Batch): void {
    this.#spare.push(batch);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  /** The first wait is for threads to start; after it, waiting that does not end means that there are too few. */
  #weigh(waited: number): void {
    const now = performance.now();
    if (!this.#trial) {
      this.#trial = { begun: now, waited: 0 };
      return;
    }
    this.#trial.waited += waited;
    const took = now - this.#trial.begun;
    if (took < trialMilliseconds) return;
    if (this.#trial.waited > muchWaiting * took && this.#threads.length < this.options.threads) this.#grow();
    this.#trial = { begun: now, waited: 0 };
  }

  #grow(): void {
    const worker = new Worker(compiled(this.program), { workerData: this.recipe });
    const thread: Thread = { worker, ordered: 0 };
    worker.on('message', ({ step, batch }: Answer<Batch>) => {
      thread.ordered--;
      this.#started = true;
      if (step < this.#taken) this.#spare.push(batch);
      else this.#ready.set(step, batch);
      // One that it was too late for leaves room for another.
      this.#order();
      this.#waiting?.resolve();
    });
    worker.on('error', (error) => {
      this.#failure ??= { error };
      this.#waiting?.reject(error);
    });
    this.#threads.push(thread);
    this.#order();
  }

  #order(): void {
    if (this.#threads.length === 0) return;
    const end = Math.min(this.#end, this.#taken + this.#ahead * this.#threads.length);
    // Some may have been made here meanwhile.
    this.#ordered = Math.max(this.#ordered, this.#taken);
    while (this.#ordered < end) {
      const thread = this.#threads.reduce((least, one) => (one.ordered < least.ordered ? one : least));
      if (thread.ordered === this.#ahead) return;
      const into = this.#spare.pop();
      const order: Order<Batch> = { step: this.#ordered++, ...(into ? { into } : {}) };
      thread.worker.postMessage(order, into ? buffersOf(into) : []);
      thread.ordered++;
    }
  }
}

/** The module beside the compiled ones; seen from the sources, as tests run them, in dist/. */
function compiled(program: URL): URL {
  return existsSync(program)
    ? program
    : new URL(program.href.replace(/\/stages\/(?!.*\/stages\/)/, '/dist/stages/'));
}
