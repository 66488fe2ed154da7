/** The earlier results of a cache, as the forecast asks for them. */
import { Results } from '../cache/results.js';
import type { StageResult } from './plan.js';
import type { Earlier } from './forecast.js';

/** Of one kind, the newest; older ones were made by code that is no more. */
const kept = 200;

/** Reads every result once: only where there is something to forecast. Damaged ones count as none. */
export function readEarlier(cacheRoot: string): Earlier {
  const results = new Results(cacheRoot);
  const byKind = new Map<string, StageResult[]>();
  const bytes = new Map<string, number>();
  for (const key of results.keys()) {
    const read = results.read(key);
    if (!read || !('result' in read)) continue;
    const { result } = read;
    for (const output of Object.values(result.outputs)) bytes.set(output.digest, output.bytes);
    const { kind } = result.components;
    const ofKind = byKind.get(kind);
    if (ofKind) ofKind.push(result);
    else byKind.set(kind, [result]);
  }
  for (const [kind, all] of byKind) {
    all.sort((a, b) => (a.by.at < b.by.at ? -1 : a.by.at > b.by.at ? 1 : 0));
    byKind.set(kind, all.slice(-kept));
  }
  return {
    ofKind: (kind) => byKind.get(kind) ?? [],
    bytesOf: (digest) => bytes.get(digest),
  };
}
