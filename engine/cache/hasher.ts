/** sha256 of many files on all cores: a few small ones at once and here, more in threads, which are started when first needed. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { hashFileSync } from './hash-file.js';
import { CacheError } from './trouble.js';

export interface FileToHash {
  path: string;
  /** Bytes. */
  size: number;
}

export interface HashTask {
  files: FileToHash[];
}

/** undefined where a file does not have its size any more. */
export interface HashAnswer {
  hashes: (string | undefined)[];
  trouble?: Partial<NodeJS.ErrnoException> & { message: string };
}

/** What takes less time here than telling a thread and starting it would: some milliseconds. */
const HERE = { bytes: 8 * 1024 * 1024, files: 200 };
/** Of one message to a thread: small enough that all end at about the same time. */
const TASK = { bytes: 4 * 1024 * 1024, files: 100 };
/** Tasks that a thread has, the one at work included: it must not wait for us. */
const AHEAD = 2;

/** @returns 64 hex digits each, in their order. Throws a CacheError where one changes while it is read, or what the disk answered. */
export async function hashFiles(files: readonly FileToHash[]): Promise<string[]> {
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const few = bytes <= HERE.bytes && files.length <= HERE.files;
  const hashes = few
    ? files.map(({ path, size }) => hashFileSync(path, size))
    : await inThreads(tasksOf(files));
  return hashes.map((hash, index) => {
    if (hash === undefined)
      throw new CacheError(
        `${files[index]!.path} changed while it was read`,
        'Run again when nothing writes there any more.',
      );
    return hash;
  });
}

function tasksOf(files: readonly FileToHash[]): HashTask[] {
  const tasks: HashTask[] = [];
  let bytes = Infinity;
  for (const file of files) {
    const last = tasks.at(-1);
    if (last && bytes + file.size <= TASK.bytes && last.files.length < TASK.files) last.files.push(file);
    else {
      tasks.push({ files: [file] });
      bytes = 0;
    }
    bytes += file.size;
  }
  return tasks;
}

async function inThreads(tasks: readonly HashTask[]): Promise<(string | undefined)[]> {
  const answers = new Array<HashAnswer['hashes']>(tasks.length);
  let next = 0;
  const lane = async (thread: Thread) => {
    while (next < tasks.length) {
      const index = next++;
      answers[index] = await thread.hash(tasks[index]!);
    }
  };
  const lanes = threads(tasks.length).flatMap((thread) => Array.from({ length: AHEAD }, () => lane(thread)));
  await Promise.all(lanes);
  return answers.flat();
}

/** Seen from here, and from the command line's bundle. From sources, as tests run them, the built one is taken. */
const beside = new URL('../cache/hash-worker.js', import.meta.url);
const program = existsSync(beside)
  ? beside
  : new URL('../../dist/engine/cache/hash-worker.js', import.meta.url);

class Thread {
  private readonly worker = new Worker(program);
  /** In the order in which they were asked, which is that of the answers. */
  private readonly asked: { resolve(hashes: HashAnswer['hashes']): void; reject(error: unknown): void }[] =
    [];

  constructor() {
    this.worker.on('message', ({ hashes, trouble }: HashAnswer) => {
      const { resolve, reject } = this.asked.shift()!;
      if (this.asked.length === 0) this.worker.unref();
      if (trouble) reject(Object.assign(new Error(trouble.message), trouble));
      else resolve(hashes);
    });
    this.worker.on('error', (error) => {
      pool.splice(pool.indexOf(this), 1);
      for (const { reject } of this.asked.splice(0)) reject(error);
    });
    // An idle thread keeps no process alive. Not before: a listener for messages takes a reference of its own.
    this.worker.unref();
  }

  hash(task: HashTask): Promise<HashAnswer['hashes']> {
    return new Promise((resolve, reject) => {
      this.worker.ref();
      this.asked.push({ resolve, reject });
      this.worker.postMessage(task);
    });
  }
}

const pool: Thread[] = [];

function threads(useful: number): Thread[] {
  const count = Math.min(availableParallelism(), useful);
  while (pool.length < count) pool.push(new Thread());
  return pool.slice(0, count);
}
