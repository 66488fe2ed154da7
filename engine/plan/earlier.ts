/** The earlier results of a cache, as the forecast asks for them. */
import { IndexFile } from '../cache/index-file.js';
import { Results } from '../cache/results.js';
import type { StageKey } from '../digest.js';
import type { StageResult } from './plan.js';
import type { Earlier } from './forecast.js';

/** Of one kind, the newest; older ones were made by code that is no more. */
const kept = 200;

/** Looks at every result once: only where there is something to forecast. Damaged ones count as none. */
export function readEarlier(cacheRoot: string): Earlier {
  const results = new Results(cacheRoot, new IndexFile(cacheRoot));
  const keys = new Map<string, { key: StageKey; at: string }[]>();
  const bytes = new Map<string, number>();
  for (const key of results.keys()) {
    const known = results.known(key);
    if (!known) continue;
    for (const output of Object.values(known.outputs)) bytes.set(output.digest, output.bytes);
    const one = { key, at: known.by.at };
    const ofKind = keys.get(known.kind);
    if (ofKind) ofKind.push(one);
    else keys.set(known.kind, [one]);
  }
  const whole = new Map<string, StageResult[]>();
  return {
    ofKind(kind) {
      let newest = whole.get(kind);
      if (!newest) {
        const all = (keys.get(kind) ?? []).sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
        newest = all.slice(-kept).flatMap(({ key }) => {
          const read = results.read(key);
          return read && 'result' in read ? [read.result] : [];
        });
        whole.set(kind, newest);
      }
      return newest;
    },
    bytesOf: (digest) => bytes.get(digest),
  };
}
