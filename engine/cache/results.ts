/**
 * The results: one small file per key, written after its outputs are in place. The parts of the code are kept once per
 * code digest, beside, since hundreds of results share them. The index has what each file says but the parts of the key, and is
 * believed where the file looks as it did when it was read.
 */
import { readdirSync, readFileSync, type Stats, statSync, utimesSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import type { StageKey } from '../digest.js';
import type { KeyComponents, StageResult } from '../plan/plan.js';
import { sha256 } from '../sha256.js';
import { writeDurably, writeInPlace } from './durable.js';
import type { IndexFile } from './index-file.js';
import type { LateSync } from './late-sync.js';
import { Neighbours } from './neighbours.js';
import { errno, explained, isMissing } from './trouble.js';

const FORMAT = 'cemiflow-result/1';

/** The parts of the code are in a file of their own. */
export type StoredResult = Omit<StageResult, 'components'> & {
  components: Omit<KeyComponents, 'codeParts'>;
};

interface Stored {
  format: typeof FORMAT;
  /** Of JSON.stringify(result): a flipped bit in the file must not become a metric. */
  sha256: string;
  result: StoredResult;
}

/** `torn`: there is a file, and it cannot be trusted. */
export type Read = { result: StageResult } | { torn: string } | undefined;

/** What the index keeps of a result: all but the parts of its key, which whoever asks for a key has. */
export type KnownResult = Omit<StageResult, 'key' | 'components'> & { kind: string };

interface Entry {
  /** Of the file: bytes, when it was used last (milliseconds), inode. */
  file: [size: number, used: number, inode: number];
  known: KnownResult;
}

/** How many earlier results of a kind `nearest` reads: older ones were made by code that is no more. */
const RECENT = 200;
/** A result used is touched, at most this often, so that gc sees what is in use. */
const TOUCH_MILLISECONDS = 60_000;

export class Results {
  private readonly folder: string;
  private readonly parts = new Map<string, KeyComponents['codeParts']>();
  private readonly whole = new Map<StageKey, StageResult | undefined>();
  private latest: { byStage: Map<string, StageKey>; byKind: Map<string, StageKey[]> } | undefined;
  /** By kind, where it was asked for. */
  private readonly neighbours = new Map<string, Neighbours>();

  constructor(
    private readonly root: string,
    private readonly index: IndexFile,
  ) {
    this.folder = join(root, 'results');
  }

  path(key: StageKey): string {
    return `${this.folder}${sep}${key.slice(0, 2)}${sep}${key}.json`;
  }

  partsPath(code: string): string {
    return join(this.root, 'code', `${code}.json`);
  }

  /** As `read`, and without opening the file where that is known. @param components those that the key is the digest of */
  find(key: StageKey, components: KeyComponents): Read {
    const entry = this.entry(key);
    if (entry && looksAs(statSync(this.path(key), { throwIfNoEntry: false }), entry)) {
      const { kind: _, ...known } = entry.known;
      return { result: { key, components, ...known } };
    }
    return this.read(key);
  }

  /** Reads the file. */
  read(key: StageKey): Read {
    const path = this.path(key);
    let text: string | undefined;
    // Before the file: what is written meanwhile then has another look.
    let stat: Stats | undefined;
    try {
      // A plan of thousands of new stages asks for each, and an error costs more than a look.
      stat = statSync(path, { throwIfNoEntry: false });
      if (stat) text = readFileSync(path, 'utf8');
    } catch (error) {
      if (!isMissing(error)) throw explained(error, 'read an earlier result', path);
    }
    if (!stat || text === undefined) {
      this.forget(key);
      return undefined;
    }
    const stored = readStored(text, key);
    if ('torn' in stored) {
      this.forget(key);
      return stored;
    }
    const { components } = stored;
    const result = {
      ...stored,
      components: { ...components, codeParts: this.codeParts(components.code) },
    };
    if (!looksAs(stat, this.entry(key))) this.learn(result, stat);
    return { result };
  }

  private entry(key: StageKey): Entry | undefined {
    return this.index.get(nameOf(key)) as Entry | undefined;
  }

  private learn({ key, components, ...rest }: StageResult, stat: Stats): void {
    const known = { kind: components.kind, ...rest };
    this.index.set(nameOf(key), { file: [stat.size, stat.mtimeMs, stat.ino], known } satisfies Entry);
  }

  /** Its file is gone, or goes. */
  forget(key: StageKey): void {
    if (this.entry(key)) this.index.forget(nameOf(key));
  }

  private codeParts(code: string): KeyComponents['codeParts'] {
    let parts = this.parts.get(code);
    if (!parts) {
      try {
        parts = JSON.parse(readFileSync(this.partsPath(code), 'utf8')) as KeyComponents['codeParts'];
      } catch {
        // Only `why` reads them: without, it says that the code changed and not which file.
        parts = {};
      }
      this.parts.set(code, parts);
    }
    return parts;
  }

  /** Remembers that the result is in use. */
  touch(key: StageKey): void {
    const entry = this.entry(key);
    const path = this.path(key);
    try {
      const now = Date.now();
      const used = entry ? entry.file[1] : statSync(path).mtimeMs;
      // Also one from the future: the clock was set back.
      if (Math.abs(now - used) <= TOUCH_MILLISECONDS) return;
      // In whole seconds, which every disk keeps as they are: so the look of the file is known without another one.
      const seconds = Math.floor(now / 1000);
      utimesSync(path, seconds, seconds);
      if (!entry) return;
      const [size, , inode] = entry.file;
      this.index.set(nameOf(key), { ...entry, file: [size, seconds * 1000, inode] } satisfies Entry);
    } catch (error) {
      // A cache that is only read needs no protection from gc.
      if (!['EROFS', 'EACCES', 'EPERM', 'ENOENT'].includes(errno(error) ?? '')) throw error;
    }
  }

  /** It is in place at once, and on disk when `late` has settled: until then a power cut may tear it, which `read` notices. */
  async write(result: StageResult, temporary: string, late: LateSync): Promise<void> {
    const { codeParts, ...components } = result.components;
    const bare = { ...result, components };
    if (statSync(this.partsPath(components.code), { throwIfNoEntry: false }) === undefined) {
      await writeDurably(this.partsPath(components.code), JSON.stringify(codeParts), temporary);
    }
    const stored: Stored = { format: FORMAT, sha256: sha256(JSON.stringify(bare)), result: bare };
    const path = this.path(result.key);
    writeInPlace(path, JSON.stringify(stored), temporary);
    void late.add(path, dirname(path));
    this.learn(result, statSync(path));
    if (this.latest) this.enter(this.latest, result.key, result.components.kind, result.by.stage);
    this.neighbours.get(result.components.kind)?.add(result.key, result.components);
    this.whole.delete(result.key);
  }

  /** All keys that have a result file. */
  keys(): StageKey[] {
    return folders(this.folder).flatMap((two) =>
      folders(join(this.folder, two))
        .filter((name) => /^[0-9a-f]{64}\.json$/.test(name))
        .map((name) => name.slice(0, 64) as StageKey),
    );
  }

  /** Without the parts of the key; undefined where the file is damaged or gone. */
  known(key: StageKey): KnownResult | undefined {
    if (!this.entry(key)) this.read(key);
    return this.entry(key)?.known;
  }

  /** What the index has as the latest result of that stage name. Nothing in it is looked at: a guess of what will be asked for. */
  expected(stages: ReadonlySet<string>): string[] {
    const latest = new Map<string, { key: string; known: KnownResult }>();
    for (const name of this.index.names()) {
      if (!name.startsWith(RESULT)) continue;
      const { known } = this.index.get(name) as Entry;
      const before = latest.get(known.by.stage);
      if (!stages.has(known.by.stage) || (before && before.known.by.at > known.by.at)) continue;
      latest.set(known.by.stage, { key: name.slice(RESULT.length), known });
    }
    return [...latest.values()].flatMap(({ key, known }) => [
      key,
      ...Object.values(known.outputs).map(({ digest }) => digest),
    ]);
  }

  /**
   * The latest result of that stage name, of the same kind where there is one (experiments that share a cache may call other things by
   * that name); else the one of the same kind that differs least.
   */
  nearest(now: KeyComponents, stage: string, unknown: ReadonlySet<string>): StageResult | undefined {
    const { byStage, byKind } = this.latestOnes();
    const same = byStage.get(ofKind(stage, now.kind)) ?? byStage.get(stage);
    const latest = same && this.wholeOf(same);
    if (latest) return latest;
    let neighbours = this.neighbours.get(now.kind);
    if (!neighbours) {
      neighbours = new Neighbours();
      for (const key of byKind.get(now.kind)?.slice(-RECENT) ?? []) {
        const candidate = this.wholeOf(key);
        if (candidate) neighbours.add(key, candidate.components);
      }
      this.neighbours.set(now.kind, neighbours);
    }
    const nearest = neighbours.nearest(now, unknown);
    return nearest && this.wholeOf(nearest);
  }

  private wholeOf(key: StageKey): StageResult | undefined {
    if (!this.whole.has(key)) {
      const read = this.read(key);
      this.whole.set(key, read && 'result' in read ? read.result : undefined);
    }
    return this.whole.get(key);
  }

  private latestOnes() {
    if (!this.latest) {
      const latest = { byStage: new Map<string, StageKey>(), byKind: new Map<string, StageKey[]>() };
      const all = this.keys().flatMap((key) => {
        const known = this.known(key);
        return known ? [{ key, known }] : [];
      });
      all.sort(({ known: { by: a } }, { known: { by: b } }) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
      for (const { key, known } of all) this.enter(latest, key, known.kind, known.by.stage);
      this.latest = latest;
    }
    return this.latest;
  }

  private enter(
    { byStage, byKind }: NonNullable<Results['latest']>,
    key: StageKey,
    kind: string,
    stage: string,
  ): void {
    byStage.set(stage, key);
    byStage.set(ofKind(stage, kind), key);
    const others = byKind.get(kind);
    if (others) others.push(key);
    else byKind.set(kind, [key]);
  }
}

/** No name of a stage has a space. */
const ofKind = (stage: string, kind: string) => `${stage} ${kind}`;

/** Of a result in the index; artifacts have their digest as name. */
const RESULT = 'result ';
const nameOf = (key: StageKey) => RESULT + key;

function looksAs(stat: Stats | undefined, entry: Entry | undefined): boolean {
  if (!stat || !entry) return false;
  const [size, used, inode] = entry.file;
  return stat.size === size && stat.mtimeMs === used && stat.ino === inode;
}

/** What a result file says, or why it cannot be trusted. */
export function readStored(text: string, key: StageKey): StoredResult | { torn: string } {
  let stored: Stored | null;
  try {
    stored = JSON.parse(text) as Stored | null;
  } catch {
    return { torn: 'its result file is no JSON' };
  }
  if (stored?.format !== FORMAT) return { torn: 'its result file has another format' };
  if (stored.sha256 !== sha256(JSON.stringify(stored.result)) || stored.result.key !== key) {
    return { torn: 'its result file is damaged' };
  }
  return stored.result;
}

function folders(path: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
