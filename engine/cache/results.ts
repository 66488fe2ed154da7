/**
 * The results: one small file per key, written after its outputs are in place. The parts of the code are kept once per
 * code digest, beside, since hundreds of results share them.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { StageKey } from '../digest.js';
import type { KeyComponents, StageResult } from '../plan/plan.js';
import { differences } from '../plan/differences.js';
import { writeDurably, writeInPlace } from './durable.js';
import type { LateSync } from './late-sync.js';
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

/** How many earlier results of a kind `nearest` weighs against each other. */
const WEIGHED = 200;
/** A result used is touched, at most this often, so that gc sees what is in use. */
const TOUCH_MILLISECONDS = 60_000;

export class Results {
  private readonly parts = new Map<string, KeyComponents['codeParts']>();
  private index: { byStage: Map<string, StageResult>; byKind: Map<string, StageResult[]> } | undefined;

  constructor(private readonly root: string) {}

  path(key: StageKey): string {
    return join(this.root, 'results', key.slice(0, 2), `${key}.json`);
  }

  partsPath(code: string): string {
    return join(this.root, 'code', `${code}.json`);
  }

  read(key: StageKey): Read {
    const path = this.path(key);
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw explained(error, 'read an earlier result', path);
    }
    const stored = readStored(text, key);
    if ('torn' in stored) return stored;
    const { components } = stored;
    return {
      result: { ...stored, components: { ...components, codeParts: this.codeParts(components.code) } },
    };
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
    const path = this.path(key);
    try {
      const now = Date.now();
      // Also one from the future: the clock was set back.
      if (Math.abs(now - statSync(path).mtimeMs) > TOUCH_MILLISECONDS)
        utimesSync(path, now / 1000, now / 1000);
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
    if (this.index) this.enter(result);
  }

  /** All keys that have a result file. */
  keys(): StageKey[] {
    const folder = join(this.root, 'results');
    return folders(folder).flatMap((two) =>
      folders(join(folder, two))
        .filter((name) => /^[0-9a-f]{64}\.json$/.test(name))
        .map((name) => name.slice(0, 64) as StageKey),
    );
  }

  /** The latest result of that stage name, else the one of the same kind that differs least. */
  nearest(now: KeyComponents, stage: string, unknown: ReadonlySet<string>): StageResult | undefined {
    const { byStage, byKind } = this.indexed();
    const same = byStage.get(stage);
    if (same) return same;
    let best: StageResult | undefined;
    let fewest = Infinity;
    // From the latest on, so that of equally near ones the latest is taken.
    for (const candidate of (byKind.get(now.kind) ?? []).slice(-WEIGHED).reverse()) {
      const count = differences(candidate.components, now, unknown).length;
      if (count < fewest) [best, fewest] = [candidate, count];
    }
    return best;
  }

  private indexed() {
    if (!this.index) {
      this.index = { byStage: new Map(), byKind: new Map() };
      const all = this.keys().flatMap((key) => {
        const read = this.read(key);
        return read && 'result' in read ? [read.result] : [];
      });
      all.sort((a, b) => (a.by.at < b.by.at ? -1 : a.by.at > b.by.at ? 1 : 0));
      for (const result of all) this.enter(result);
    }
    return this.index;
  }

  private enter(result: StageResult): void {
    this.index!.byStage.set(result.by.stage, result);
    const kind = this.index!.byKind.get(result.components.kind);
    if (kind) kind.push(result);
    else this.index!.byKind.set(result.components.kind, [result]);
  }
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

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

function folders(path: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
