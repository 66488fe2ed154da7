/** One attempt at a stage: its folders while it runs, and the moment its outputs become results. */
import { existsSync, mkdirSync } from 'node:fs';
import { mkdir, readdir, rename, rmdir, statfs, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ArtifactType } from '../../stages/contract.js';
import type { StageKey } from '../digest.js';
import { keyOf } from '../plan/key.js';
import type { KeyComponents, OutputRecord, StageResult } from '../plan/plan.js';
import { adopt } from './adopt.js';
import type { Uses } from './in-use.js';
import type { LateSync } from './late-sync.js';
import type { Lock } from './lock.js';
import { type Objects, readReferences } from './objects.js';
import { keepReserve } from './reserve.js';
import type { Results } from './results.js';
import { type Session, removeTree } from './session.js';
import { CacheError, guarded } from './trouble.js';

export interface Finished {
  components: KeyComponents;
  /** The declared outputs, by name; each folder must have been filled. */
  outputs: Readonly<Record<string, ArtifactType>>;
  /** Where outside inputs are, by digest: those that an output refers to are copied into the cache. */
  outside?: ReadonlyMap<string, string>;
  metrics: Readonly<Record<string, number>>;
  warnings: readonly string[];
  by: StageResult['by'];
}

export interface Attempt {
  readonly key: StageKey;
  /** What a resume needs, kept under the key until a commit. Exists; may hold files of an earlier attempt. */
  readonly checkpoint: string;
  /** A fresh, empty folder for that output, also when asked for again. */
  outputFolder(name: string): Promise<string>;
  /** The lock also lives as long as that process: an attempt's child may outlive a killed engine for a moment. */
  holdFor(pid: number): void;
  /**
   * Makes results of the output folders: all of them, or none. Hashes, fsyncs, makes read-only and moves into place;
   * then writes the result, removes the checkpoint and lets the key go.
   * Throws a CacheError (no space, no permission, a link in an output, an empty output); then the attempt can only be abandoned.
   */
  commit(finished: Finished): Promise<StageResult>;
  /**
   * Moves what a failed attempt wrote to <cache>/failed/<key>/, for inspection: nothing reads it, it goes with the next failure or the
   * result of that key, or by gc. undefined where it wrote nothing, or where there is no room: a full disk needs it more.
   */
  setAside(): Promise<string | undefined>;
  /** Removes the output folders and lets the key go. `keep`: whether the checkpoint stays for a resume. */
  abandon(options: { keep: boolean }): Promise<void>;
}

export interface AttemptParts {
  key: StageKey;
  root: string;
  lock: Lock;
  session: Session;
  objects: Objects;
  results: Results;
  uses: Uses;
  late: LateSync;
  /** Called with the result when it is in place. */
  committed(): Promise<void>;
}

/** A stage that took longer is on disk before it counts as done and its checkpoint goes; a power cut takes shorter ones only. */
const worthWaitingSeconds = 1;
/** So many paths that are not on disk yet, and not more, may have gathered. */
const mostWaiting = 5000;

export async function openAttempt(parts: AttemptParts): Promise<Attempt> {
  const { key, root, lock, session, objects, results, uses, late } = parts;
  const checkpoint = join(root, 'checkpoints', key);
  const failed = join(root, 'failed', key);
  const outputs = await session.path('outputs');
  await guarded('make the folders of a stage', root, async () => {
    // Here and now: small calls are done before a thread would have been told of the first.
    session.makeFolder(checkpoint);
    session.makeFolder(outputs);
    keepReserve(root);
    return Promise.resolve();
  });
  const folderOf = (name: string) => join(outputs, encodeURIComponent(name));
  const adoptReferred = async (folder: string, outside: ReadonlyMap<string, string>) => {
    const references = readReferences(folder);
    // What is wrong with them is said when the output is checked.
    for (const digest of typeof references === 'string' ? [] : references) {
      const path = outside.get(digest);
      if (path !== undefined) await adopt(path, digest, objects, session);
    }
  };
  return {
    key,
    checkpoint,
    outputFolder: (name) =>
      guarded(`make the folder of output ${name}`, root, async () => {
        await removeTree(folderOf(name));
        mkdirSync(folderOf(name), { recursive: true });
        return folderOf(name);
      }),
    holdFor: (pid) => lock.holdFor(pid),
    async commit({ components, outputs: types, outside, metrics, warnings, by }) {
      if (keyOf(components) !== key) throw new TypeError(`the components of ${by.stage} do not have its key`);
      if (!existsSync(outputs)) {
        throw new CacheError(
          `what ${by.stage} wrote has vanished from ${root}: another machine took this engine for dead, or somebody cleared the folder`,
          'Run again: it goes on from its checkpoint.',
        );
      }
      const result = await guarded(`store the result of ${by.stage}`, root, async () => {
        const records: Record<string, OutputRecord> = {};
        // All are looked at before the first is moved.
        const outputs = [];
        for (const [name, type] of Object.entries(types)) {
          const words = `output ${name} of ${by.stage}`;
          if (outside?.size) await adoptReferred(folderOf(name), outside);
          outputs.push({ name, type, words, listing: await objects.check(folderOf(name), words) });
        }
        for (const { name, type, words, listing } of outputs) {
          const stored = await objects.take(folderOf(name), words, listing);
          records[name] = { type, ...stored };
        }
        const result: StageResult = { key, components, outputs: records, ...sayable(metrics, warnings), by };
        // The record of the code is shared with results that may be swept now.
        await uses.addOrFail(components.code);
        await uses.settled();
        await results.write(result, await session.open(), late);
        // What is done again in less time than a disk takes to answer is not waited for.
        if (by.seconds > worthWaitingSeconds || late.waiting > mostWaiting) await late.settled();
        return result;
      });
      await session.removeFolder(checkpoint);
      await removeTree(failed);
      await session.removeFolder(outputs);
      await lock.release();
      await parts.committed();
      return result;
    },
    async setAside() {
      try {
        await removeTree(failed);
        const bytes = await weigh(outputs);
        const { bavail, bsize } = await statfs(root);
        if (bytes === 0 || bytes > bavail * bsize) return undefined;
        await mkdir(dirname(failed), { recursive: true });
        await rename(outputs, failed);
        return failed;
      } catch {
        // A courtesy: it must not hide the failure that there is to tell.
        return undefined;
      }
    },
    async abandon({ keep }) {
      await removeTree(outputs);
      if (keep)
        await rmdir(checkpoint).catch(() => undefined); // only an empty one goes
      else await removeTree(checkpoint);
      await lock.release();
    },
  };
}

/** JSON has no NaN and no infinity: such a metric is left out, and said instead of lost. */
function sayable(metrics: Finished['metrics'], warnings: readonly string[]) {
  const odd = Object.entries(metrics).filter(([, value]) => !Number.isFinite(value));
  return {
    metrics: Object.fromEntries(Object.entries(metrics).filter(([, value]) => Number.isFinite(value))),
    warnings: [...warnings, ...odd.map(([name, value]) => `metric ${name} ended as ${value}`)],
  };
}

/** Bytes of all files in a folder; what has none, an empty file or a link, counts as one: it may be what went wrong. */
async function weigh(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) bytes += await weigh(path);
    else bytes += entry.isFile() ? Math.max(1, (await stat(path)).size) : 1;
  }
  return bytes;
}
