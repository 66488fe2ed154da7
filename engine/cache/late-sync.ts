/**
 * fsync beside the work instead of before it: what is in place already gets on disk a moment later, each path once however many
 * ask for it meanwhile. Only a power cut could show the difference, and whoever must not lose by one waits for `settled`.
 */
import { sync } from './durable.js';
import { errno, isMissing } from './trouble.js';

/** Paths synced at a time: disks write several at once, and libuv has four threads, which others want, too. */
const atATime = 2;

export class LateSync {
  private readonly queue = new Map<string, { done: Promise<void>; start: () => void }>();
  private readonly all = new Set<Promise<void>>();
  private active = 0;

  /** How many paths wait. */
  get waiting(): number {
    return this.queue.size;
  }

  /** Files and folders whose names are final. @returns when they are on disk; rejects with what the disk answered. */
  add(...paths: string[]): Promise<void> {
    const done = Promise.all(paths.map((path) => this.one(path))).then(() => undefined);
    // Whoever does not wait here hears of it from `settled`.
    done.catch(() => undefined);
    return done;
  }

  private one(path: string): Promise<void> {
    const queued = this.queue.get(path);
    if (queued) return queued.done;
    let start!: () => void;
    const done = new Promise<void>((resolve) => (start = resolve))
      .then(() => syncIfThere(path))
      .finally(() => {
        this.active -= 1;
        this.next();
      });
    this.all.add(done);
    // What failed stays, for `settled`.
    done.then(
      () => this.all.delete(done),
      () => undefined,
    );
    this.queue.set(path, { done, start });
    this.next();
    return done;
  }

  private next(): void {
    for (const [path, { start }] of this.queue) {
      if (this.active >= atATime) return;
      // From now on a change to it needs another fsync.
      this.queue.delete(path);
      this.active += 1;
      start();
    }
  }

  /** Waits for all that was added until now. @throws what the disk answered to any of it, once */
  async settled(): Promise<void> {
    const asked = [...this.all];
    const ends = await Promise.allSettled(asked);
    for (const done of asked) this.all.delete(done);
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  }
}

async function syncIfThere(path: string): Promise<void> {
  try {
    await sync(path);
  } catch (error) {
    // Gone again: swept, or found damaged. Some network file systems cannot sync a folder; then its entry is as durable as they make it.
    if (!isMissing(error) && !['EINVAL', 'ENOTSUP', 'EISDIR', 'EBADF'].includes(errno(error) ?? ''))
      throw error;
  }
}
