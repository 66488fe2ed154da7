/** Delivers a run to its end, or as far as the server lets it: what the courier of a run at work and `cemiflow sync` both do. */
import { readdirSync, unlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Lock, takeLock } from '../cache/lock.js';
import { engineLives, reportFile } from '../journal/run-folder.js';
import { type Cursor, newCursor, readCursor, trackingFolder } from './cursor.js';
import { type MlflowClient, TrackingError } from './mlflow-client.js';
import { RunDelivery } from './run-delivery.js';
import type { RunExtras } from './run-extras.js';
import type { TrackingTarget } from './server-settings.js';

/** How often a growing journal is looked at. */
const pollMilliseconds = 1000;
const firstPauseMilliseconds = 500;
const longestPauseMilliseconds = 30_000;
/** Tries in a row, without a pause, once there is hurry. */
const hurriedAttempts = 3;

export interface DeliverOptions {
  client: MlflowClient;
  folder: string;
  target: TrackingTarget;
  extras: RunExtras;
  say: (text: string) => void;
  /** The run's page, as soon as it is there. */
  page?: (url: string) => void;
  /** The first of a row of failures, and the success after it. */
  down?: (trouble: TrackingError) => void;
  up?: () => void;
  /** Tries in a row before giving up; without it, it is tried for as long as the run goes on. */
  attempts?: number;
  /** Aborted: no more waiting. What can be sent at once still is. */
  hurry: AbortSignal;
}

export interface Delivered {
  metrics: number;
  /** Nothing is left to send. */
  complete: boolean;
  page: string | undefined;
  /** Why it is not complete. */
  trouble?: TrackingError;
}

/** One delivery at a time to a server: two would both think a point missing. */
export function takeDelivery(folder: string, signal?: AbortSignal): Promise<Lock> {
  return takeLock(join(trackingFolder(folder), 'lock'), { signal });
}

/** @throws Error on the disk only; the server's trouble comes back as `trouble`. The caller holds the delivery's lock. */
export async function deliverRun(options: DeliverOptions): Promise<Delivered> {
  const { client, folder, target, say, down } = options;
  sweep(folder);
  const cursor = readCursor(folder, target);
  let delivered = await deliverFrom(cursor, options);
  // Runs that are there still, or again, are found and read back.
  if (delivered.trouble?.kind === 'not-found' && Object.keys(cursor.runs).length > 0) {
    say(`${client.uri} no longer has what it was sent of ${basename(folder)}: that is sent anew`);
    delivered = await deliverFrom(newCursor(target), options);
  }
  if (delivered.trouble?.kind === 'not-found') down?.(delivered.trouble);
  return delivered;
}

async function deliverFrom(cursor: Cursor, options: DeliverOptions): Promise<Delivered> {
  const { client, folder, extras, say, hurry } = options;
  const delivery = new RunDelivery({ client, folder, cursor, extras, say });
  let page: string | undefined;
  const result = (trouble?: TrackingError): Delivered => ({
    metrics: delivery.delivered,
    complete: cursor.complete,
    page: delivery.page,
    ...(trouble ? { trouble } : {}),
  });
  const patiently = persistence(options);
  /** The last look, after which nothing is written any more. */
  let last = false;
  try {
    for (;;) {
      const moved = await patiently(() => delivery.advance());
      if (delivery.page !== page) options.page?.((page = delivery.page!));
      if (moved) continue;
      if (last) break;
      // After its last line the engine still writes the report, and then says so.
      if (hurry.aborted || !engineLives(folder)) last = true;
      else await pause(pollMilliseconds, hurry);
    }
    await patiently(() => delivery.close(reportFile(folder)));
    return result();
  } catch (error) {
    if (error instanceof TrackingError) return result(error);
    throw error;
  }
}

/**
 * Tries again what may succeed later, after pauses that double up to half a minute, with chance in them so that many runs do not come
 * back at once. Unlike what retry packages offer, a pause ends at once when there is hurry, and a call that is under way does not.
 */
function persistence({ attempts = Infinity, hurry, down, up }: DeliverOptions) {
  let failures = 0;
  return async <T>(send: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        const value = await send();
        if (failures > 0) up?.();
        failures = 0;
        return value;
      } catch (error) {
        // What is not there may be made once more: that is not for here.
        if (!(error instanceof TrackingError) || error.kind === 'not-found') throw error;
        if (failures++ === 0) down?.(error);
        if (!passing.has(error.kind) || failures >= attempts) throw error;
        // A connection that broke may be all there is to it; a server that is down does not come back for being asked again.
        if (hurry.aborted && (error.kind !== 'unclear' || failures >= hurriedAttempts)) throw error;
        const asked = (error.more.retryAfterSeconds ?? 0) * 1000;
        const doubled = firstPauseMilliseconds * 2 ** Math.min(failures - 1, 10) * (0.5 + Math.random());
        await pause(Math.min(longestPauseMilliseconds, Math.max(asked, doubled)), hurry);
      }
    }
  };
}

const pause = (milliseconds: number, hurry: AbortSignal): Promise<void> =>
  sleep(milliseconds, undefined, { signal: hurry }).catch(() => undefined);

const passing = new Set(['unavailable', 'unclear', 'locked-out']);

/** What a courier that was killed left while it wrote its cursor. */
function sweep(folder: string): void {
  try {
    for (const name of readdirSync(trackingFolder(folder)))
      if (/^[0-9a-f-]{36}$/.test(name)) unlinkSync(join(trackingFolder(folder), name));
  } catch {
    // Not there yet.
  }
}
