/** Checking all that the cache holds: artifacts against their digests, results against their checksum and artifacts. */
import { existsSync } from 'node:fs';
import type { Digest, StageKey } from '../digest.js';
import type { LocalCache } from './cache.js';
import { MISSING } from './objects.js';

export interface Verified {
  artifacts: number;
  results: number;
  /** Artifacts that were moved away. */
  damaged: { digest: Digest; detail: string }[];
  /** Results that cannot be used: their stages run again. `stage` is null where the result file itself is damaged. */
  unusable: { key: StageKey; stage: string | null; detail: string }[];
}

export interface VerifyOptions {
  /** Read every byte; else only what looks changed since it was read last. */
  all: boolean;
  progress?: ((done: number, total: number) => void) | undefined;
}

export async function verify(cache: LocalCache, { all, progress }: VerifyOptions): Promise<Verified> {
  const { objects, results } = cache;
  const digests = objects.all();
  const found: Verified = { artifacts: 0, results: 0, damaged: [], unusable: [] };
  const troubles = new Map<Digest, string>();
  for (const [done, digest] of digests.entries()) {
    progress?.(done, digests.length);
    const detail = await objects.trouble(digest, { thorough: all });
    // Swept since it was listed. Where a result still names it, that is said below.
    if (detail === MISSING) continue;
    found.artifacts++;
    if (detail === undefined) continue;
    troubles.set(digest, detail);
    found.damaged.push({ digest, detail });
  }
  for (const key of results.keys()) {
    const read = results.read(key);
    // Swept meanwhile.
    if (read === undefined) continue;
    found.results++;
    if ('torn' in read) {
      found.unusable.push({ key, stage: null, detail: read.torn });
      continue;
    }
    for (const [output, { digest }] of Object.entries(read.result.outputs)) {
      const detail = troubles.get(digest) ?? (existsSync(objects.path(digest)) ? undefined : MISSING);
      if (detail === undefined) continue;
      found.unusable.push({ key, stage: read.result.by.stage, detail: `output ${output}: ${detail}` });
      break;
    }
  }
  await cache.flush();
  return found;
}
