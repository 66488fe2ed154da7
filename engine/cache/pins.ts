/**
 * Pins: what gc and rm leave whatever their limits. One small file a pin in <cache>/pins, so that two processes that pin
 * at once cannot lose each other's.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { LocalCache } from './cache.js';
import { writeDurably } from './durable.js';
import { CacheError, guarded, isMissing } from './trouble.js';

export interface Pin {
  /** A run's id, or a result's key. */
  name: string;
  what: 'run' | 'result';
  /** For people: the run's experiment, or the result's stage. */
  label: string;
  /** ISO 8601. */
  at: string;
  /** Keys and digests it holds. A run's journal may since name more, and may be deleted: these stay known. */
  holds: readonly string[];
}

const FORMAT = 'cemiflow-pin/1';
const folderOf = (cache: LocalCache) => join(cache.root, 'pins');
const fileOf = (cache: LocalCache, name: string) => join(folderOf(cache), `${name}.json`);

/** All pins, oldest first. Throws a CacheError where one cannot be read: what it protects is not known then. */
export function readPins(cache: LocalCache): Pin[] {
  let names: string[];
  try {
    names = readdirSync(folderOf(cache));
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
  return names
    .filter((name) => name.endsWith('.json'))
    .map((name) => readPin(join(folderOf(cache), name)))
    .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
}

function readPin(file: string): Pin {
  try {
    const { format, ...pin } = JSON.parse(readFileSync(file, 'utf8')) as Pin & { format: string };
    if (format === FORMAT && typeof pin.name === 'string' && Array.isArray(pin.holds)) return pin;
  } catch {
    // Said below.
  }
  throw new CacheError(
    `the pin ${file} cannot be read`,
    'Delete the file, and pin the same again (cemiflow cache pin).',
  );
}

/** Hold the sweep's lock (in-use.ts): what is pinned must not be going already. */
export async function writePin(cache: LocalCache, pin: Pin): Promise<void> {
  await guarded('pin', cache.root, async () => {
    mkdirSync(folderOf(cache), { recursive: true });
    const text = JSON.stringify({ format: FORMAT, ...pin });
    await writeDurably(fileOf(cache, pin.name), text, await cache.session.open());
  });
}

/** @returns false where there is no such pin */
export async function removePin(cache: LocalCache, name: string): Promise<boolean> {
  try {
    await guarded('unpin', cache.root, () => unlink(fileOf(cache, name)));
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
