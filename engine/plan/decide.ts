/**
 * Whether a stage must run, and why. `plan`, `run`, `status` and `why` all ask here, so they cannot disagree.
 * Pure: it reads no disk and no clock; the caller brings what it found there (make-plan.ts).
 */
import type { StageKey } from '../digest.js';
import { differences, resemble } from './differences.js';
import type { Decision, KeyComponents, Reason, StageResult } from './plan.js';

export interface Known {
  /** Instances whose outputs this one reads and that run or may run. */
  upstream: readonly string[];
  /** Without the inputs that come from `upstream`. */
  components: KeyComponents;
  /** Names of inputs not known yet, because they come from `upstream`. */
  unknownInputs: ReadonlySet<string>;
  /** Of the components, where all inputs are known. */
  key?: StageKey;
  /** What the cache has for the key: a sound result, or what is wrong with it. */
  found?: StageResult | { damaged: readonly { output: string; detail: string }[] } | undefined;
  /** The earlier result to compare with, where there is no sound one. */
  nearest?: StageResult | undefined;
  forced: boolean;
}

/** @param stage the instance's name. */
export function decide(stage: string, known: Known): Decision {
  const { upstream, components, unknownInputs, key, found, nearest, forced } = known;
  if (key !== undefined && found && 'outputs' in found && !forced) {
    return { act: 'reuse', stage, key, components, result: found };
  }
  const because: Reason[] = [];
  let since: string | undefined;
  if (forced) because.push({ kind: 'forced' });
  if (upstream.length > 0) because.push({ kind: 'upstream-runs', stages: upstream });
  if (found && 'damaged' in found) {
    for (const { output, detail } of found.damaged) because.push({ kind: 'output-damaged', output, detail });
  } else if (found === undefined) {
    const own = nearest?.by.stage === stage;
    if (nearest && (own || resemble(nearest.components, components, unknownInputs))) {
      const different = differences(nearest.components, components, unknownInputs);
      if (!own) because.push({ kind: 'compared-with', stage: nearest.by.stage, run: nearest.by.run });
      else if (different.length > 0) since = nearest.by.run;
      because.push(...different);
    } else because.push({ kind: 'never-ran' });
  }
  const [first = { kind: 'never-ran' }, ...rest] = because;
  const why = { because: [first, ...rest] as const, ...(since === undefined ? {} : { since }) };
  return key === undefined ? { act: 'maybe', stage, ...why } : { act: 'run', stage, key, components, ...why };
}
