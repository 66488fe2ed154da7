/**
 * Metrics to one server, each point exactly once. `runs/log-batch` appends, so a batch whose fate is unclear is read back before any of it
 * is sent again; a batch that is refused is halved until the point that spoils it stands alone.
 *
 * Several batches are under way at a time, also of one run: most of a call is work of one of the server's processes, and a server locks what
 * calls share. The order of arrival means nothing there, since points have steps and times.
 */
import PQueue from 'p-queue';
import { batchesOf } from './fitting.js';
import { batchLimits, type Metric, mlflow } from './mlflow-api.js';
import { type MlflowClient, TrackingError } from './mlflow-client.js';

/** Batches under way: as many as `mlflow server` has processes if it is not told otherwise. */
const atOnce = 4;
/** What a server gives at most in one page of a history. */
const historyPage = 25_000;
/** Of a point in JSON besides its key: names, two numbers of up to 24 and 13 digits, a step. */
const pointBytes = 110;

export interface RefusedPoint {
  metric: string;
  because: string;
}

/** One `runs/log-batch`: what of it is not on the server yet. */
interface Batch {
  points: Metric[];
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

  /** How many points wait. */
  get size(): number {
    return [...this.waiting.values()].reduce((sum, { length }) => sum + length, 0);
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
    const queue = new PQueue({ concurrency: atOnce });
    let trouble: { error: unknown } | undefined;
    // After a failure nothing is begun any more, and what is under way is waited for: it may arrive yet.
    const attempt = (send: () => Promise<void>) =>
      queue.add(async () => {
        if (trouble) return;
        try {
          await send();
        } catch (error) {
          trouble ??= { error };
        }
      });
    const flushRun = async (id: string) => {
      if (this.doubtful.has(id))
        await attempt(async () => {
          this.waiting.set(id, await this.missing(id, this.waiting.get(id) ?? []));
          this.doubtful.delete(id);
        });
      const batches: Batch[] = batchesOf(
        this.waiting.get(id) ?? [],
        batchLimits.metrics,
        ({ key }) => Buffer.byteLength(key) + pointBytes,
      ).map((points) => ({ points }));
      const alone = batches.length > 1;
      await Promise.all(batches.map((batch) => attempt(() => this.deliver(id, batch, alone))));
      const left = batches.flatMap(({ points }) => points);
      if (left.length > 0) this.waiting.set(id, left);
      else this.waiting.delete(id);
    };
    await Promise.all((runId === undefined ? [...this.waiting.keys()] : [runId]).map(flushRun));
    if (trouble) throw trouble.error;
  }

  /** What is acknowledged, or refused once and for all, is taken out of the batch. */
  private async deliver(runId: string, batch: Batch, alone = false): Promise<void> {
    const { points } = batch;
    try {
      await this.client.call(mlflow.logBatch, { run_id: runId, metrics: points }, { alone });
      this.delivered += points.length;
      batch.points = [];
    } catch (error) {
      if (!(error instanceof TrackingError)) throw error;
      const { kind } = error;
      if (kind === 'unclear') this.doubtful.add(runId);
      if (kind !== 'refused' && kind !== 'too-large') throw error;
      if (kind === 'refused') await this.mustBeActive(runId);
      if (points.length === 1) {
        this.refused({ metric: points[0]!.key, because: error.message });
        batch.points = [];
      } else await this.deliverHalves(runId, batch);
    }
  }

  /** Of a run that somebody deleted everything is refused: it is not the points. @throws TrackingError 'locked-out' */
  private async mustBeActive(runId: string): Promise<void> {
    const { run } = await this.client.call(mlflow.getRun, { run_id: runId });
    if (run.info.lifecycle_stage === 'deleted')
      throw new TrackingError(`run ${runId} was deleted on ${this.client.uri}`, 'locked-out', {
        remedy: `It can be had back: mlflow runs restore --run-id ${runId}`,
      });
  }

  private async deliverHalves(runId: string, batch: Batch): Promise<void> {
    try {
      // A refused batch may have been written in part.
      batch.points = await this.missing(runId, batch.points);
    } catch (error) {
      this.doubtful.add(runId);
      throw error;
    }
    const middle = Math.ceil(batch.points.length / 2);
    const halves = [batch.points.slice(0, middle), batch.points.slice(middle)].map((points) => ({ points }));
    try {
      for (const half of halves) if (half.points.length > 0) await this.deliver(runId, half);
    } finally {
      batch.points = halves.flatMap(({ points }) => points);
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
