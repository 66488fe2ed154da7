/** The Plan's types: for every stage instance what will happen and why. Made by decide.ts, which is pure. */
import type { ArtifactType, JsonObject } from '../../stages/contract.js';
import type { Digest, StageKey } from '../digest.js';

/** What a key is the digest of. Stored with each result so that `why` can say which part changed. */
export interface KeyComponents {
  kind: string;
  /** Digest of the compiled modules the kind is made of, and of its packages' versions. */
  code: Digest;
  /** Digest of each module and version of each package, so that `why` can name the file that changed. */
  codeParts: Readonly<Record<string, string>>;
  settings: JsonObject;
  inputs: Readonly<Record<string, readonly Digest[]>>;
  /** null where the stage is not seeded. */
  seed: number | null;
  cpus: number;
}

export interface OutputRecord {
  type: ArtifactType;
  digest: Digest;
  bytes: number;
  files: number;
}

/** What the cache remembers of a finished stage. */
export interface StageResult {
  key: StageKey;
  components: KeyComponents;
  outputs: Readonly<Record<string, OutputRecord>>;
  /** Last value of each metric. */
  metrics: Readonly<Record<string, number>>;
  warnings: readonly string[];
  by: {
    run: string;
    stage: string;
    /** ISO 8601. */
    at: string;
    seconds: number;
    peakRssBytes: number;
    device: string;
    attempt: number;
  };
}

export type Reason =
  | { kind: 'never-ran' }
  | { kind: 'forced' }
  | { kind: 'setting-changed'; path: string; was: unknown; now: unknown }
  | { kind: 'input-changed'; input: string; was: readonly Digest[]; now: readonly Digest[] }
  /** `of`: the kind. `part`: a module or `npm:<package>`; '' where the parts of the old code are not known. */
  | {
      kind: 'code-changed';
      of: string;
      part: string;
      was: string | undefined;
      now: string | undefined;
    }
  | { kind: 'seed-changed'; was: number | null; now: number | null }
  | { kind: 'cpus-changed'; was: number; now: number }
  | { kind: 'kind-changed'; was: string; now: string }
  | { kind: 'output-damaged'; output: string; detail: string }
  | { kind: 'upstream-runs'; stages: readonly string[] }
  /** It has no result of its own: what follows is what differs from that stage's. */
  | { kind: 'compared-with'; stage: string; run: string };

/** `stage` is the instance's name; `since` the run with its own earlier result, from which what is in `because` differs. */
export type Decision =
  | { act: 'reuse'; stage: string; key: StageKey; components: KeyComponents; result: StageResult }
  /** Its inputs are known, and no earlier result serves. Never without a reason. */
  | {
      act: 'run';
      stage: string;
      key: StageKey;
      components: KeyComponents;
      because: readonly [Reason, ...Reason[]];
      since?: string;
    }
  /** A stage above it will run: whether this one must is known only when that has ended (early cut-off). */
  | { act: 'maybe'; stage: string; because: readonly [Reason, ...Reason[]]; since?: string };
