/**
 * The cache: what stages made, by content, under one folder that engine processes share.
 *
 *     objects/ab/<digest>/   artifacts, read-only        results/ab/<key>.json  which outputs a key has
 *     checkpoints/<key>/     unfinished work             code/<digest>.json     the modules behind a code digest
 *     locks/<key>.<n>        who works on a key          tmp/<process>/         what is being written, and what is in use
 *     failed/<key>/          what a failed attempt wrote, for eyes only
 *     pins/<name>.json       what gc must leave          index                  what was found out before (index-file.ts)
 *     reserve                what gc gives up first on a full disk
 */
import { join } from 'node:path';
import type { Digest, StageKey } from '../digest.js';
import type { KeyComponents, StageResult } from '../plan/plan.js';
import { readOutside } from './artifact.js';
import { type Attempt, openAttempt } from './attempt.js';
import { Uses } from './in-use.js';
import { clearFinished } from './leftovers.js';
import { type WaitOptions, takeLock } from './lock.js';
import { SpareLockFiles } from './lock-file.js';
import { Objects } from './objects.js';
import { IndexFile } from './index-file.js';
import { type Read, Results } from './results.js';
import { Session } from './session.js';
import { LateSync } from './late-sync.js';
import { StatCache } from './stat-cache.js';
import { errno, guarded } from './trouble.js';

/** There was a result, and it cannot be used: the stage must run again. */
export interface Damaged {
  damaged: readonly [Trouble, ...Trouble[]];
}

export interface Trouble {
  /** '' where the result file itself is damaged. */
  output: string;
  detail: string;
}

export const isDamaged = (found: StageResult | Damaged | undefined): found is Damaged =>
  found !== undefined && 'damaged' in found;

export type Begun = { attempt: Attempt; result?: undefined } | { attempt?: undefined; result: StageResult };

export interface BeginOptions extends WaitOptions {
  /** Run although there is a result (--force). */
  force?: boolean;
}

export interface Cache {
  readonly root: string;
  /**
   * The result of that key, its outputs checked; Damaged where one cannot be used (and was moved away).
   * @param components those that the key is the digest of, where they are at hand: it is quicker then.
   */
  lookup(key: StageKey, components?: KeyComponents): Promise<StageResult | Damaged | undefined>;
  /** Says which stages will be looked up: their latest results are noted as in use all at once. */
  foresee(stages: ReadonlySet<string>): Promise<void>;
  /**
   * The earlier result to compare with: the latest of that stage name, else of the same kind the one that differs least.
   * @param unknown names of inputs whose content is not known yet; they count as no difference.
   */
  nearest(
    components: KeyComponents,
    stage: string,
    unknown?: ReadonlySet<string>,
  ): Promise<StageResult | undefined>;
  /**
   * Takes the key, waiting while another engine works on it; then either an attempt is ours to make, or the other
   * engine has left its result.
   */
  beginAttempt(key: StageKey, options?: BeginOptions): Promise<Begun>;
  /** The folder of that artifact. Whether it is sound, `lookup` has checked. */
  objectPath(digest: string): string;
  /** What is wrong with that artifact now, in words; then it has been moved away. undefined where it is sound. */
  trouble(digest: Digest): Promise<string | undefined>;
  /** Digest of an outside file or folder (absolute path). Throws a CacheError. */
  digestPath(path: string): Promise<Digest>;
  /** Saves the index. */
  flush(): Promise<void>;
  /** Saves the index and removes this process's temporary folder. */
  close(): Promise<void>;
}

/** Thousands of small stages must not write the whole index thousands of times: so long at least from one time to the next ... */
const SAVE_MILLISECONDS = 5000;
/** ... and so many times as long as it takes. */
const SAVE_SHARE = 50;

export interface OpenOptions {
  /** Whether what `lookup` finds must stay until `close`: not for those who only look (plan, status, why). */
  use?: boolean;
}

/** Opens the cache in that folder (it need not exist), and removes what killed engines left. */
export async function openCache(root: string, { use = true }: OpenOptions = {}): Promise<LocalCache> {
  const session = new Session(join(root, 'tmp'));
  await session.sweep();
  const cache = new LocalCache(root, session, use);
  await clearFinished(root, cache.results);
  return cache;
}

export class LocalCache implements Cache {
  private readonly index: IndexFile;
  readonly stats: StatCache;
  readonly objects: Objects;
  readonly results: Results;
  readonly uses: Uses;
  /** When the index may be saved again beside the work, by performance.now(). */
  private saveAfter = 0;
  readonly late: LateSync;
  private spares: SpareLockFiles | undefined;

  constructor(
    readonly root: string,
    readonly session: Session,
    /** Whether what `lookup` finds must stay. */
    private readonly use: boolean,
  ) {
    this.late = new LateSync(root);
    this.index = new IndexFile(root);
    this.stats = new StatCache(this.index);
    this.uses = new Uses(root, session);
    this.objects = new Objects(root, this.stats, session, this.uses, this.late);
    this.results = new Results(root, this.index);
  }

  async lookup(key: StageKey, components?: KeyComponents): Promise<StageResult | Damaged | undefined> {
    const read = await this.readToUse(key, components);
    if (read === undefined) return undefined;
    if ('torn' in read) return { damaged: [{ output: '', detail: read.torn }] };
    const troubles: Trouble[] = [];
    for (const [output, { digest }] of Object.entries(read.result.outputs)) {
      const detail = await this.objects.trouble(digest);
      if (detail) troubles.push({ output, detail });
    }
    const [first, ...rest] = troubles;
    // Swept between our reading it and noting that we use it: no damage, and no result.
    if (first && this.results.read(key) === undefined) return undefined;
    if (first) return { damaged: [first, ...rest] };
    this.results.touch(key);
    return read.result;
  }

  /** Reads a result and, before anyone may trust that it stays, notes it as used. */
  private async readToUse(key: StageKey, components?: KeyComponents): Promise<Read> {
    for (;;) {
      const read = components ? this.results.find(key, components) : this.results.read(key);
      if (!this.use || read === undefined || 'torn' in read) return read;
      const digests = Object.values(read.result.outputs).map(({ digest }) => digest);
      if (!(await this.uses.add(key, ...digests)) || !(await this.uses.settled())) return read;
    }
  }

  async foresee(stages: ReadonlySet<string>): Promise<void> {
    if (!this.use) return;
    const names = this.results.expected(stages);
    if (names.length > 0 && (await this.uses.add(...names))) await this.uses.settled();
  }

  nearest(components: KeyComponents, stage: string, unknown: ReadonlySet<string> = new Set()) {
    return Promise.resolve(this.results.nearest(components, stage, unknown));
  }

  async beginAttempt(key: StageKey, { force = false, ...wait }: BeginOptions = {}): Promise<Begun> {
    const { root, session, objects, results, uses, late } = this;
    const lock = await guarded('lock a stage', root, async () => {
      // Without such a folder the lock has none either, and says why.
      const folder = await session.open().catch(() => undefined);
      if (folder !== undefined) this.spares ??= new SpareLockFiles(folder);
      const make = this.spares && { make: this.spares.make };
      return takeLock(join(root, 'locks', key), { ...wait, ...make });
    });
    try {
      // Its checkpoint, and what was found before on a disk that was full then.
      await guarded('lock a stage', root, () => uses.addOrFail(key));
      await uses.settled();
      const found = force ? undefined : await this.lookup(key);
      if (found && !isDamaged(found)) {
        await lock.release();
        return { result: found };
      }
      const committed = () => this.flushSometimes();
      return {
        attempt: await openAttempt({ key, root, lock, session, objects, results, uses, late, committed }),
      };
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  objectPath(digest: string): string {
    return this.objects.path(digest);
  }

  trouble(digest: Digest): Promise<string | undefined> {
    return this.objects.trouble(digest);
  }

  async digestPath(path: string): Promise<Digest> {
    const read = await readOutside(path, (stamp) => this.stats.recall(path, stamp));
    if (read.fresh) this.stats.learn(path, { stamp: read.stamp }, read.digest, { newest: read.newest });
    return read.digest;
  }

  /** Saves the index beside the work, now and then. */
  private async flushSometimes(): Promise<void> {
    if (performance.now() > this.saveAfter) await this.flush();
  }

  async flush(): Promise<void> {
    if (!this.index.changed) return;
    const begun = performance.now();
    try {
      await this.index.save(await this.session.open());
    } catch (error) {
      // Only speed is lost, also on a disk that is full or read-only; a write that matters will say so.
      if (errno(error) === undefined && errno((error as Error).cause) === undefined) throw error;
    }
    const now = performance.now();
    this.saveAfter = now + Math.max(SAVE_MILLISECONDS, SAVE_SHARE * (now - begun));
  }

  async close(): Promise<void> {
    try {
      await guarded('store results', this.root, () => this.late.settled());
    } finally {
      await this.flush();
      this.uses.close();
      this.spares?.close();
      await this.session.close();
    }
  }
}
