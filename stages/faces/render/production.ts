/** Takes many pictures, on several threads where there are some, and hands them over in their order: the same bytes on any number. */
import { setImmediate as breathe } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Order, Studio } from './order.js';
import { FaceRenderer } from './renderer.js';
import type { WorkerSetting } from './worker.js';

/** Orders a thread takes at a time: small enough for a quick stop, large enough that messages cost nothing. */
const BATCH = 32;

export interface Production {
  count: number;
  /** The order of picture i, 0 .. count - 1; asked for when its turn comes, as millions of orders would fill the memory. */
  order: (i: number) => Order;
  setting: WorkerSetting;
  threads: number;
  signal: AbortSignal;
  /** Receives the pixels, uint8 [n, size, size, 3], of n orders from `first` on. */
  take: (pixels: Uint8Array, first: number) => void;
}

/** @throws signal.reason once aborted */
export function takePictures(production: Production): Promise<void> {
  return production.threads > 1 && production.count > BATCH
    ? onThreads(production)
    : onThisThread(production);
}

function batchOf({ count, order }: Production, first: number): Order[] {
  return Array.from({ length: Math.min(BATCH, count - first) }, (_, i) => order(first + i));
}

async function onThisThread(production: Production): Promise<void> {
  const { count, setting, signal, take } = production;
  const { size, seed, population } = setting;
  const studio = new Studio(new FaceRenderer(size), seed, population);
  const stride = size * size * 3;
  for (let first = 0; first < count; first += BATCH) {
    signal.throwIfAborted();
    const batch = batchOf(production, first);
    const pixels = new Uint8Array(batch.length * stride);
    batch.forEach((order, i) => studio.take(order, pixels, i * stride));
    take(pixels, first);
    await breathe(); // lets an abort come through
  }
}

async function onThreads(production: Production): Promise<void> {
  const { count, setting, threads, signal, take } = production;
  const workers = Array.from(
    { length: Math.min(threads, Math.ceil(count / BATCH)) },
    () => new Worker(new URL('./worker.js', import.meta.url), { workerData: setting }),
  );
  const done = new Map<number, Uint8Array>();
  let next = 0;
  let wanted = 0;
  try {
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => reject(signal.reason as Error);
      if (signal.aborted) return stop();
      signal.addEventListener('abort', stop, { once: true });
      const idle: (() => void)[] = [];
      for (const worker of workers) {
        let first = 0;
        const give = (): void => {
          if (next >= count) return;
          // A slow batch must not let the others pile up in memory.
          if (next - wanted > 8 * BATCH * workers.length) {
            idle.push(give);
            return;
          }
          first = next;
          next += BATCH;
          worker.postMessage(batchOf(production, first));
        };
        worker.on('error', reject);
        worker.on('message', (pixels: Uint8Array) => {
          try {
            done.set(first, pixels);
            for (let ready = done.get(wanted); ready; ready = done.get(wanted)) {
              done.delete(wanted);
              take(ready, wanted);
              wanted += BATCH;
            }
          } catch (error) {
            reject(error as Error);
            return;
          }
          if (wanted >= count) resolve();
          give();
          for (const waiting of idle.splice(0)) waiting();
        });
        give();
      }
    });
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
