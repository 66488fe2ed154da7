/** The result of a run as `run --json` prints it (DESIGN: stable), and as the screen tells it at the end. */
import type { ArtifactType } from '../../stages/contract.js';
import type { StageStatus } from '../journal/events.js';

export interface StageSummary {
  name: string;
  kind: string;
  status: StageStatus;
  /** null where it was never known: a stage skipped before its inputs were. */
  key: string | null;
  /** Of this run; 0 for what was not run. */
  seconds: number;
  peakRssBytes: number;
  /** `path`: the artifact's folder, read-only. */
  outputs: Record<string, { type: ArtifactType; digest: string; path: string }>;
  metrics: Record<string, number>;
  /** What it and the engine doubt: of a cached one, what was said when it was made. Absent where there is nothing. */
  warnings?: string[];
  /** Why it failed, was cancelled or was skipped. */
  error?: string;
}

export interface RunSummary {
  run: string;
  ok: boolean;
  seconds: number;
  /** The device asked for. */
  device: string;
  stages: StageSummary[];
}

/** Not in the JSON: what the command line needs besides. */
export interface RunOutcome {
  summary: RunSummary;
  status: 'ok' | 'failed' | 'interrupted';
  /** The run's folder. */
  folder: string;
  /** The remedies that failed stages named. */
  remedies: ReadonlyMap<string, string>;
  /** Folders with what failed stages had written. */
  scratch: ReadonlyMap<string, string>;
}
