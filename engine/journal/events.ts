/**
 * What a run's journal holds: JSON lines in runs/<run>/journal.jsonl, appended and never rewritten. A torn last line is
 * ignored. list, show, logs, compare and report read these and need nothing else but the cache.
 */
import type { ArtifactType, JsonObject } from '../../stages/contract.js';
import type { Digest } from '../digest.js';
import type { FailureClass, InputSource, ReportSettings, Scalar } from '../experiment/experiment.js';
import type { OutputRecord } from '../plan/plan.js';

export type StageStatus = 'ok' | 'cached' | 'failed' | 'skipped' | 'cancelled';

export interface PlannedStage {
  name: string;
  stage: string;
  kind: string;
  point: Readonly<Record<string, Scalar>>;
  settings: JsonObject;
  inputs: Readonly<Record<string, readonly InputSource[]>>;
  outputs: Readonly<Record<string, { type: ArtifactType }>>;
  seed: number;
  /** Threads it computes with; older journals do not say. */
  cpus?: number;
}

export type JournalEvent = { at: string } & (
  | {
      type: 'run-started';
      run: string;
      name: string;
      file: string;
      command: string[];
      pid: number;
      host: string;
      device: string;
      version: string;
      git?: { commit: string; dirty: boolean };
      seed: number;
      params: JsonObject;
      report: ReportSettings;
      /** The server that the run is delivered to; never with credentials. */
      tracking?: { uri: string; experiment: string };
      stages: PlannedStage[];
    }
  | { type: 'stage-started'; stage: string; key: string; attempt: number; device: string; log: string }
  /** An attempt has failed, and `attempt` of `of` begins in so many seconds. */
  | {
      type: 'retrying';
      stage: string;
      attempt: number;
      of: number;
      class: FailureClass;
      error: string;
      seconds: number;
    }
  | { type: 'metric'; stage: string; name: string; value: number; step?: number }
  /** What the machine was doing, under MLflow's names without their `system/`; steps count the samples. */
  | { type: 'system'; step: number; values: Readonly<Record<string, number>> }
  | { type: 'warning'; stage: string; text: string }
  | {
      type: 'stage-ended';
      stage: string;
      status: StageStatus;
      key?: string;
      seconds: number;
      peakRssBytes: number;
      device?: string;
      attempt?: number;
      outputs: Record<string, OutputRecord>;
      /** Of inputs from outside, path -> digest; absent where there are none, and in older journals. */
      outside?: Readonly<Record<string, Digest>>;
      metrics: Record<string, number>;
      warnings: string[];
      error?: string;
      /** A folder with what the failed attempt had written; gc removes it. */
      scratch?: string;
      /** For cached stages: the run that made the result, and how long that took. */
      from?: { run: string; seconds: number };
    }
  | { type: 'run-ended'; status: 'ok' | 'failed' | 'interrupted'; seconds: number; error?: string }
);
