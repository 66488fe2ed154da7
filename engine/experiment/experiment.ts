/**
 * The Experiment: what a file says once composed, expanded and validated. Plain data; everything after loading works on
 * it and never looks at YAML again.
 */
import type {
  ArtifactType,
  Json,
  JsonObject,
  OutputDeclaration,
  StageDeclaration,
} from '../../stages/contract.js';

export type Scalar = string | number | boolean;

/** A place in a file, 1-based. `origin` says through what the value came where it is not the file itself. */
export interface SourcePlace {
  file: string;
  line: number;
  column: number;
  /** e.g. "profile paper", "extends base/faces.yaml", "--set stages.a.with.b=1". */
  origin?: string;
}

export type InputSource =
  | { from: 'stage'; stage: string; output: string; type: ArtifactType }
  /** An outside file or folder; absolute. */
  | { from: 'path'; path: string };

/**
 * How an attempt can fail, as far as another one could help.
 *   memory   out of memory, also killed for it
 *   crash    ended by a signal
 *   timeout  over the stage's `timeout`
 *   io       a disk or network that may answer the next time
 *   error    any other: the same error would come again
 */
export type FailureClass = 'memory' | 'crash' | 'timeout' | 'io' | 'error';

export interface Retry {
  /** Further attempts after the first. */
  times: number;
  on: readonly FailureClass[];
  /** Seconds before the second attempt; doubled before each further one. */
  backoff: number;
}

/** One stage at one point of its matrix: what is planned, keyed, cached and run. */
export interface StageInstance {
  /** `samples@m=-0.1`, `fr@m=0,seed=2`, or the bare stage name. Unique. */
  name: string;
  /** The stage's name in the file. */
  stage: string;
  kind: string;
  declaration: StageDeclaration;
  /** For a user's own stage: the absolute path of its module. */
  module?: string;
  point: Readonly<Record<string, Scalar>>;
  /** `with` with expressions evaluated and defaults filled in. In `command`, `${{ inputs.x }}` stays for the attempt. */
  settings: JsonObject;
  /** By input name, in order; a single input has one source. */
  inputs: Readonly<Record<string, readonly InputSource[]>>;
  outputs: Readonly<Record<string, OutputDeclaration>>;
  /** Names of instances that must end first although no data flows. */
  after: readonly string[];
  seed: number;
  resources: { cpus: number; gpus: number };
  /** 'auto' or a device name, where the stage states one; the command line's --device otherwise. */
  device?: string;
  retry: Retry;
  /** Seconds. */
  timeout?: number;
  place: SourcePlace;
}

export interface ReportSettings {
  /** The instance or stage that GtR is measured against. */
  baseline?: string;
  /** Evaluate stages, in the order of the table. All of them where absent. */
  rows?: string[];
  plots?: string[];
  title?: string;
  /** Text for the report: what departs from the paper, at what scale. */
  notes?: string[];
}

export interface Experiment {
  name: string;
  /** Absolute path of the file. */
  file: string;
  seed: number;
  params: JsonObject;
  /** Topologically ordered: a stage comes after all that it depends on. */
  stages: readonly StageInstance[];
  report: ReportSettings;
  tracking?: { uri?: string; experiment?: string };
  /** The composed file before expressions, as YAML text: kept with the run. */
  composed: string;
  /** Where each leaf of the composed file came from, by JSON pointer. */
  origins: Readonly<Record<string, SourcePlace>>;
}

/** Trouble in the file, for people: everything needed to print it with its line and remedy. */
export interface Diagnostic {
  place: SourcePlace;
  /** Length of what to underline, in characters, at least 1. */
  length: number;
  message: string;
  /** Remedy or nearest name. */
  hint?: string;
  /** The line at fault, for the code frame. Absent where there is no text to show. */
  text?: string;
}

export type Loaded =
  { ok: true; experiment: Experiment } | { ok: false; diagnostics: [Diagnostic, ...Diagnostic[]] };

export interface LoadOptions {
  /** Names of profiles, applied in order. */
  profiles: readonly string[];
  /** `path=value` texts of --set, applied last, in order. Value is YAML. */
  set: readonly string[];
  /** --seed: as --set seed=N. */
  seed?: number;
  /** What `env.NAME` reads; process.env where absent. Only names that the file's `env:` lists are read. */
  env?: Readonly<Record<string, string | undefined>>;
  /** The folder that paths of --set are relative to; the process's where absent. */
  cwd?: string;
}

export type { Json, JsonObject };
