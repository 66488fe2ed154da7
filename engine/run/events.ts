/** What a run tells while it happens: all that its journal keeps, and what is only for eyes. */
import type { JournalEvent } from '../journal/events.js';
import type { Decision } from '../plan/plan.js';
import type { LeftBehind } from './left-behind.js';
import type { Progress } from './messages.js';

export type RunEvent =
  | JournalEvent
  /** What will happen, before anything does. Seconds: what each stage took last time, where known. */
  | {
      type: 'planned';
      folder: string;
      decisions: ReadonlyMap<string, Decision>;
      seconds: ReadonlyMap<string, number>;
    }
  | ({ type: 'progress'; stage: string } & Progress)
  /** One or more lines. */
  | { type: 'log'; stage: string; lines: string }
  /** A stage stands still for somebody else: another engine at work on the same, or a GPU in use. */
  | { type: 'waiting'; stage: string; text: string }
  /** Where the run is being delivered to, or that it is not. */
  | { type: 'tracking'; text: string; trouble: boolean }
  /** Processes of stages of an engine that was killed lived on, and were ended. */
  | { type: 'left-behind'; processes: LeftBehind[] }
  /** The first signal: what runs writes checkpoints. */
  | { type: 'stopping'; running: string[] };
