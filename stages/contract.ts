/**
 * The one contract in which engine/ and stages/ meet: what a stage declares, and what it is given when it runs.
 * A user's own stage (`uses: ./my-stage.js`) exports the same `StageDeclaration` as `stage`.
 */

/** What an artifact is; inputs are checked against outputs by these before anything runs. */
export type ArtifactType =
  'images' | 'verification' | 'model' | 'embeddings' | 'centers' | 'groups' | 'result' | 'files';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export interface InputDeclaration {
  /** The types it takes; `any` takes every artifact. */
  types: readonly ArtifactType[] | 'any';
  description: string;
  optional?: boolean;
  /** Takes several artifacts (`samples@*`), in the order of the matrix. */
  many?: boolean;
}

export interface OutputDeclaration {
  type: ArtifactType;
  description: string;
}

export interface StageDeclaration<Settings = JsonObject> {
  kind: string;
  /** One line, shown by `cemiflow schema`. */
  summary: string;
  /** JSON Schema (draft 2020-12) of `with`, with a default for every optional setting. */
  schema: Record<string, unknown>;
  /** Fixed inputs by name; '*' as the only name takes any inputs (command). */
  inputs: Readonly<Record<string, InputDeclaration>>;
  /** The first one is what the bare stage name means. May depend on the settings (command, faces-render). */
  outputs:
    Readonly<Record<string, OutputDeclaration>> | ((settings: Settings) => Record<string, OutputDeclaration>);
  /** Whether the seed matters. Where it does not, a new seed leaves the stage cached. */
  seeded: boolean;
  /** Whether it computes on a device (tensors): then its default is one GPU where there are any. */
  device: boolean;
  /** What schema words cannot say: one problem a string, `path` being the setting at fault. */
  check?(settings: Settings): { path: string; message: string }[];
  /** Loads the code that does the work, in the attempt's own process. */
  load(): Promise<{ run(context: StageContext<Settings>): Promise<void> }>;
}

export interface InputArtifact {
  type: ArtifactType;
  /** A read-only folder. */
  path: string;
  /** sha256 of its content, 64 hex digits. */
  digest: string;
  /** The name of the stage (or the outside path) it comes from, for messages only: it is not in the key. */
  from: string;
}

export interface StageContext<Settings = JsonObject> {
  /** `with`, validated, after defaults. */
  settings: Settings;
  /** The input of that name. Throws where it is not given: use `has` for optional ones. */
  input(name: string): InputArtifact;
  /** All artifacts of an input that takes many, or [] where it is not given. */
  inputs(name: string): readonly InputArtifact[];
  has(name: string): boolean;
  /**
   * The folder to fill for the output of that name; it exists and is empty, also when an attempt resumes.
   * To refer to files of another artifact instead of copying them, list its digest in `references.json`
   * (an array of digests) in the folder: the engine keeps what is referred to.
   */
  output(name: string): string;
  /** The folder of the artifact with that digest, for following `references.json`. */
  artifact(digest: string): string;
  /** A folder that outlives a killed attempt and belongs to the same key: what a resume needs. May hold files of an earlier attempt. */
  checkpoint: string;
  /** The seed, an integer. All randomness comes from (seed, purpose, step): see stages/tensors/random.ts. */
  seed: number;
  /** The device asked for: 'auto' or a name; stages/tensors opens it. */
  device: string;
  /** Threads to compute with. */
  threads: number;
  /** The folder of the experiment file, for stages that run a user's program. */
  experimentFolder: string;
  /** Work done and in all, in any unit (steps, images). Cheap to call often. `note` is shown beside the bar. */
  progress(done: number, total: number, note?: string): void;
  /** A metric of the run; the last value of each is in the result. Names: DESIGN of metric names in ARCHITECTURE.md. */
  metric(name: string, value: number, step?: number): void;
  /** A line in the stage's log. */
  log(line: string): void;
  /** Something the report must say loudly (a departure, a doubt about the result). */
  warn(line: string): void;
  /** Aborted on Ctrl-C and time-out: write a checkpoint, then throw `signal.reason`. */
  signal: AbortSignal;
}

/** A failure whose message tells the user what to do; shown without a stack trace. Any other error is a bug and shows its stack. */
export class StageError extends Error {
  override readonly name = 'StageError';
  /** @param remedy the next step for the user, a sentence. */
  constructor(
    message: string,
    readonly remedy?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * The diagnostics channel (node:diagnostics_channel) on which stages/tensors publishes the name of the device it opened, so that
 * journal and report can say what a stage really ran on.
 */
export const deviceChannel = 'cemiflow:device';

/** What can be asked for besides 'auto', which takes the first of these that works. */
export const deviceNames = ['tensorflow', 'webgpu', 'onnx', 'onnx-webgpu', 'wasm', 'cpu'] as const;
