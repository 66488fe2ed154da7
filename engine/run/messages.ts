/** What the engine and the process of an attempt say to each other. Plain data: it crosses a pipe as JSON. */
import type { InputArtifact, JsonObject } from '../../stages/contract.js';
import type { FailureClass } from '../experiment/experiment.js';

/** All that an attempt needs to know. It knows no cache, no plan and no other stage. */
export interface Job {
  /** The instance's name, for messages. */
  stage: string;
  kind: string;
  /** For a user's own stage: the absolute path of its module. */
  module?: string;
  settings: JsonObject;
  inputs: Record<string, InputArtifact[]>;
  /** Name -> empty folder to fill. */
  outputs: Record<string, string>;
  /** Digest -> folder, for everything that the inputs refer to, through however many references. */
  artifacts: Record<string, string>;
  checkpoint: string;
  seed: number;
  device: string;
  threads: number;
  experimentFolder: string;
}

export type ToAttempt =
  | { type: 'job'; job: Job }
  /** Write a checkpoint and end. */
  | { type: 'cancel'; reason: string };

/** A value of a metric. */
export interface Metric {
  name: string;
  /** Finite. */
  value: number;
  step?: number;
  /** When it was told, in milliseconds since 1970. */
  at: number;
}

export type FromAttempt =
  | { type: 'progress'; done: number; total: number; note?: string }
  /** In the order they were told. */
  | { type: 'metrics'; metrics: Metric[] }
  | { type: 'log'; line: string }
  | { type: 'warning'; text: string }
  /** What stages/tensors opened. */
  | { type: 'device'; name: string }
  | { type: 'done'; peakRssBytes: number }
  | {
      type: 'error';
      message: string;
      remedy?: string;
      class: FailureClass;
      stack?: string;
      peakRssBytes: number;
    };

export interface Progress {
  done: number;
  total: number;
  note?: string;
}

/** What an attempt tells while it runs; the executor calls these in order. */
export interface AttemptListener {
  progress(progress: Progress): void;
  metric(metric: Metric): void;
  /** One or more whole lines for the stage's log. */
  log(lines: string): void;
  warning(text: string): void;
  device(name: string): void;
}

export type AttemptEnd =
  | { ok: true; peakRssBytes: number }
  | {
      ok: false;
      peakRssBytes: number;
      message: string;
      remedy?: string;
      class: FailureClass;
      /** The stage knew what was wrong and will say the same again: another attempt is a waste. */
      final: boolean;
    };

/** A process at work. Slurm, one day, is one more maker of these. */
export interface RunningAttempt {
  /** Its process, and the leader of its process group. */
  pid: number | undefined;
  /** Asks it to write a checkpoint and end. */
  cancel(reason: string): void;
  /** Ends it and all that it started, now. */
  kill(): void;
  /** Settles when the process is gone. Never rejects. */
  ended: Promise<AttemptEnd>;
}

/** @param mark the value of MARK (process-group.ts) in the environment of all that it starts */
export type Executor = (
  job: Job,
  environment: Record<string, string>,
  mark: string,
  listener: AttemptListener,
) => Promise<RunningAttempt>;
