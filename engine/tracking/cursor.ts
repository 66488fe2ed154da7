/**
 * How far a run has been delivered to one server: runs/<run>/tracking/<server>.json, written before and after each piece of the journal
 * is sent, so that a courier killed at any moment knows what may be there already.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeDurably } from '../cache/durable.js';
import type { TrackingTarget } from './server-settings.js';

const format = 'cemiflow-tracking/1';

export interface Cursor extends TrackingTarget {
  format: typeof format;
  experimentId?: string;
  /** MLflow's run ids, by stage instance; '' is the parent run. */
  runs: Record<string, string>;
  /** Logged models, by stage instance. */
  models: Record<string, string>;
  /** Bytes of the journal whose content the server has. */
  acknowledged: number;
  /** Bytes of the journal whose content may have been sent. */
  sending: number;
  /** The run has its final status there, and nothing is left to send. */
  complete: boolean;
  /** Points that the server refused one by one, by metric name; the journal keeps them. */
  refused: Record<string, { points: number; because: string }>;
}

export const trackingFolder = (runFolder: string): string => join(runFolder, 'tracking');

const cursorFile = (runFolder: string, { uri, experiment }: TrackingTarget): string =>
  join(
    trackingFolder(runFolder),
    `${createHash('sha256').update(`${uri}\n${experiment}`).digest('hex').slice(0, 12)}.json`,
  );

/** The cursor of that server, a new one where there is none. Should one be lost, the runs are found on the server, and read back. */
export function readCursor(runFolder: string, target: TrackingTarget): Cursor {
  return parse(cursorFile(runFolder, target)) ?? newCursor(target);
}

/** Of a server that has nothing yet. */
export const newCursor = ({ uri, experiment }: TrackingTarget): Cursor => ({
  format,
  uri,
  experiment,
  runs: {},
  models: {},
  acknowledged: 0,
  sending: 0,
  complete: false,
  refused: {},
});

/** All servers that the run was or is being delivered to. */
export function cursorsOf(runFolder: string): Cursor[] {
  const folder = trackingFolder(runFolder);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => parse(join(folder, name)) ?? []);
}

export async function writeCursor(runFolder: string, cursor: Cursor): Promise<void> {
  const folder = trackingFolder(runFolder);
  mkdirSync(folder, { recursive: true });
  await writeDurably(cursorFile(runFolder, cursor), JSON.stringify(cursor), folder);
}

function parse(file: string): Cursor | undefined {
  try {
    const value = JSON.parse(readFileSync(file, 'utf8')) as Cursor;
    return value.format === format ? value : undefined;
  } catch {
    return undefined;
  }
}
