/** What the engine and its courier, a process of its own, say to each other. */
import type { TrackingTarget } from './server-settings.js';

export type ToCourier =
  | { type: 'begin'; runsDir: string; folder: string; target: TrackingTarget }
  /** The run has ended and its report is written. */
  | { type: 'finish' };

export type FromCourier =
  | { type: 'page'; url: string }
  | { type: 'say'; text: string }
  | { type: 'down'; text: string; remedy?: string }
  | { type: 'up' }
  /** The server has answered something in the last second. */
  | { type: 'answered' }
  /** `metrics` counts the points that were delivered. */
  | { type: 'ended'; complete: boolean; metrics: number; trouble?: string };
