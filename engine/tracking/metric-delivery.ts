/**
 * Metrics to one server, each point exactly once. `runs/log-batch` appends, so a batch whose fate is unclear is read back before any of it
 * is sent again; a batch that is refused is halved until the point that spoils it stands alone.
 */
import { batchLimits, type Metric, mlflow } from './mlflow-api.js';
import { type MlflowClient, TrackingError } from './mlflow-client.js';

/** What a server gives at most in one page of a history. */
const historyPage = 25_000;
/** Of the body besides the points. */
const envelopeBytes = 200;

export interface RefusedPoint {
  metric: string;
  because: string;
}

export class MetricDelivery {
  private readonly waiting = new Map<string, Metric[]>();
  private readonly doubtful = new Set<string>();
  delivered = 0;

  constructor(
    private readonly client: MlflowClient,
    private readonly refused: (point: RefusedPoint) => void,
  ) {}

  add(runId: string, metric: Metric): void {
    const points = this.waiting.get(runId);
    if (points) points.push(metric);
    else this.waiting.set(runId, [metric]);
  }

  /** Some of what will be added for that run may be there already. */
  doubt(runId: string): void {
    this.doubtful.add(runId);
  }

  /**
   * Sends what waits for that run, or for all.
   * @throws TrackingError 'unavailable', 'unclear', 'locked-out' or 'not-found': what was not acknowledged still waits
   */
  async flush(runId?: string): Promise<void> {
    for (const id of runId === undefined ? [...this.waiting.keys()] : [runId]) {
      for (;;) {
        const points = this.waiting.get(id) ?? [];
        if (points.length === 0) break;
        if (this.doubtful.has(id)) {
          this.waiting.set(id, await this.missing(id, points));
          this.doubtful.delete(id);
          continue;
        }
        await this.deliver(id, points.slice(0, howMany(points)));
      }
      this.waiting.delete(id);
    }
  }

  /** The batch is the first of what waits, and is gone from there when this returns. */
  private async deliver(runId: string, batch: Metric[]): Promise<void> {
    const done = () => void this.waiting.get(runId)!.splice(0, batch.length);
    try {
      await this.client.call(mlflow.logBatch, { run_id: runId, metrics: batch });
      this.delivered += batch.length;
      done();
    } catch (error) {
      if (!(error instanceof TrackingError)) throw error;
      const { kind } = error;
      if (kind === 'unclear') this.doubtful.add(runId);
      if (kind !== 'refused' && kind !== 'too-large') throw error;
      if (batch.length === 1) {
        this.refused({ metric: batch[0]!.key, because: error.message });
        done();
        return;
      }
      // A refused batch may have been written in part.
      const rest = await this.missing(runId, batch);
      this.waiting.get(runId)!.splice(0, batch.length, ...rest);
      const half = Math.ceil(rest.length / 2);
      if (rest.length === 0) return;
      await this.deliver(runId, rest.slice(0, half));
      if (rest.length > half) await this.deliver(runId, rest.slice(half));
    }
  }

  /** Of these points the ones that the server does not have, in order. */
  private async missing(runId: string, points: readonly Metric[]): Promise<Metric[]> {
    const there = new Map<string, Map<string, number>>();
    for (const key of new Set(points.map((point) => point.key)))
      there.set(key, await this.history(runId, key));
    return points.filter((point) => {
      const known = there.get(point.key)!;
      const left = known.get(fingerprint(point)) ?? 0;
      if (left > 0) known.set(fingerprint(point), left - 1);
      return left === 0;
    });
  }

  private async history(runId: string, key: string): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    let page: string | undefined;
    do {
      const answer = await this.client.call(mlflow.metricHistory, {
        run_id: runId,
        metric_key: key,
        max_results: historyPage,
        ...(page === undefined ? {} : { page_token: page }),
      });
      for (const metric of answer.metrics ?? []) {
        const point = fingerprint(metric);
        counts.set(point, (counts.get(point) ?? 0) + 1);
      }
      page = answer.next_page_token || undefined;
    } while (page !== undefined);
    return counts;
  }
}

/** SQL stores keep an infinity as the largest double, and one row of points that are alike in all. */
function fingerprint({ value, timestamp, step }: Metric): string {
  // A zero may be left out of the answer.
  const number = value === 'NaN' ? NaN : Number(value ?? 0);
  const kept = Number.isNaN(number) ? 'NaN' : Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, number));
  return `${step ?? 0} ${timestamp} ${kept}`;
}

/** How many of the first points fit into one batch. */
function howMany(points: readonly Metric[]): number {
  let bytes = envelopeBytes;
  let count = 0;
  for (const point of points) {
    // Key and names in JSON, two numbers of up to 24 and 13 digits, a step.
    bytes += Buffer.byteLength(point.key) + 110;
    if (bytes > batchLimits.bytes || count === batchLimits.metrics) break;
    count++;
  }
  return Math.max(1, count);
}
