/** Delivers a run to its end, or as far as the server lets it: what the courier of a run at work and `cemiflow sync` both do. */
import { readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pRetry, { AbortError } from 'p-retry';
import { type Lock, takeLock } from '../cache/lock.js';
import { engineLives, reportFile } from '../journal/run-folder.js';
import { readCursor, trackingFolder } from './cursor.js';
import { type MlflowClient, TrackingError } from './mlflow-client.js';
import { RunDelivery } from './run-delivery.js';
import type { RunExtras } from './run-extras.js';
import type { TrackingTarget } from './server-settings.js';

/** How often a growing journal is looked at. */
const pollMilliseconds = 1000;
const longestPauseMilliseconds = 30_000;

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
  const { client, folder, target, extras, say, hurry } = options;
  sweep(folder);
  const cursor = readCursor(folder, target);
  const delivery = new RunDelivery({ client, folder, cursor, extras, say });
  let page: string | undefined;
  let down = false;
  const again = (send: () => Promise<unknown>) =>
    pRetry(
      async () => {
        await send();
        if (down) options.up?.();
        down = false;
      },
      {
        retries: options.attempts === undefined ? Infinity : options.attempts - 1,
        minTimeout: 500,
        maxTimeout: longestPauseMilliseconds,
        randomize: true,
        signal: hurry,
        shouldRetry: ({ error }) => error instanceof TrackingError && passing.has(error.kind),
        async onFailedAttempt({ error }) {
          if (!(error instanceof TrackingError)) throw error;
          if (!down) options.down?.(error);
          down = true;
          if (hurry.aborted) throw new AbortError(error);
          const seconds = Math.min(error.more.retryAfterSeconds ?? 0, longestPauseMilliseconds / 1000);
          if (seconds > 0) await sleep(seconds * 1000, undefined, { signal: hurry }).catch(() => undefined);
        },
      },
    );
  const result = (trouble?: TrackingError): Delivered => ({
    metrics: delivery.delivered,
    complete: cursor.complete,
    page: delivery.page,
    ...(trouble ? { trouble } : {}),
  });
  /** The last look, after which nothing is written any more. */
  let last = false;
  let trouble: TrackingError | undefined;
  const remember = async () => {
    try {
      return await delivery.advance();
    } catch (error) {
      if (error instanceof TrackingError) trouble = error;
      throw error;
    }
  };
  try {
    for (;;) {
      let moved = false;
      if (!hurry.aborted) await again(async () => (moved = await remember()));
      else moved = await remember();
      if (delivery.page !== page) options.page?.((page = delivery.page!));
      if (moved) continue;
      if (last) break;
      if (delivery.facts.ended || hurry.aborted || !engineLives(folder)) last = true;
      else await sleep(pollMilliseconds, undefined, { signal: hurry }).catch(() => undefined);
    }
    await delivery.close(reportFile(folder));
    return result();
  } catch (error) {
    if (error instanceof TrackingError) return result(error);
    // Told to hurry while it waited to try again.
    if (hurry.aborted && trouble) return result(trouble);
    throw error;
  }
}

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
