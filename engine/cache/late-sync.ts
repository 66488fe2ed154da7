/**
 * fsync beside the work instead of before it: what is in place already gets on disk a moment later. Paths gather for that moment, each
 * once however many ask for it, and go together. Only a power cut could show the difference, and whoever must not lose by one waits for
 * `settled`.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { sync } from './durable.js';
import { errno, isMissing } from './trouble.js';

const gatherMilliseconds = 1000;
/** Paths synced at a time: disks write several at once, and libuv has four threads, which others want, too. */
const atATime = 2;
/**
 * From so many paths on the whole file system is synced in one call (syncfs, by way of coreutils' `sync -f`, as Node has none): each
 * fsync waits for the disk, and one after the other take a minute for a hundred thousand images. It also writes what others have
 * left to be written, so not for a few.
 */
const worthOneCall = 128;

const run = promisify(execFile);
/** Whether `sync -f` is there and works. */
let oneCall = true;

class Batch {
  readonly paths = new Set<string>();
  readonly done: Promise<void>;
  private begin!: () => void;

  constructor(folder: string) {
    this.done = new Promise<void>((resolve) => (this.begin = resolve)).then(() =>
      syncAll([...this.paths], folder),
    );
    // Whoever does not wait for it hears of it from `settled`.
    this.done.catch(() => undefined);
  }

  start(): void {
    this.begin();
  }
}

export class LateSync {
  private open: Batch | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** Started, and not done or failed. */
  private readonly started = new Set<Batch>();

  /** @param folder one on the disk that all paths are on */
  constructor(private readonly folder: string) {}

  /** How many paths wait. */
  get waiting(): number {
    return this.open?.paths.size ?? 0;
  }

  /** Files and folders whose names are final. @returns when they are on disk; rejects with what the disk answered. */
  add(...paths: string[]): Promise<void> {
    return this.addAll(paths);
  }

  addAll(paths: readonly string[]): Promise<void> {
    if (!this.open) {
      this.open = new Batch(this.folder);
      // The engine waits for `settled` in its end, and not for this.
      this.timer = setTimeout(() => this.start(), gatherMilliseconds).unref();
    }
    for (const path of paths) this.open.paths.add(path);
    return this.open.done;
  }

  private start(): void {
    clearTimeout(this.timer);
    const batch = this.open;
    if (!batch) return;
    // From now on a change to one of its paths needs another fsync.
    this.open = undefined;
    this.started.add(batch);
    // What failed stays, for `settled`.
    batch.done.then(
      () => this.started.delete(batch),
      () => undefined,
    );
    batch.start();
  }

  /** Waits for all that was added until now. @throws what the disk answered to any of it, once */
  async settled(): Promise<void> {
    this.start();
    const asked = [...this.started];
    const ends = await Promise.allSettled(asked.map(({ done }) => done));
    for (const batch of asked) this.started.delete(batch);
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  }
}

async function syncAll(paths: readonly string[], folder: string): Promise<void> {
  if (paths.length >= worthOneCall && oneCall) {
    try {
      await run('sync', ['-f', folder]);
      return;
    } catch {
      // Not here, or the disk failed: then the fsync of a file says where.
      oneCall = false;
    }
  }
  let next = 0;
  const lane = async () => {
    while (next < paths.length) await syncIfThere(paths[next++]!);
  };
  // One that fails must not keep the others from the disk.
  const ends = await Promise.allSettled(Array.from({ length: atATime }, () => lane()));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) throw failed.reason;
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
