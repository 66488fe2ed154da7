/** A run as the report and the comparison see it: its journal's events folded into one record. Pure. */
import type { JournalEvent, PlannedStage } from '../journal/events.js';

type Of<T extends JournalEvent['type']> = Extract<JournalEvent, { type: T }>;
export type RunStarted = Of<'run-started'>;
export type StageEnded = Of<'stage-ended'>;

export interface MetricPoint {
  step: number;
  value: number;
}

export interface RunRecord {
  started: RunStarted;
  ended: Of<'run-ended'> | undefined;
  /** By instance name. */
  planned: ReadonlyMap<string, PlannedStage>;
  results: ReadonlyMap<string, StageEnded>;
  /** Points of metrics that came with a step, by instance name, then metric; of long series some. Stages served by the cache have none. */
  series: ReadonlyMap<string, ReadonlyMap<string, MetricPoint[]>>;
}

/** Of one metric. A curve is a picture of some hundred dots across; a million of them would only fill the memory. */
const mostPoints = 2000;

/** A metric's points in order: all, or evenly every second, fourth, ... of a long series, and always the last one. */
class Curve {
  private kept: MetricPoint[] = [];
  private newest: MetricPoint | undefined;
  private apart = 1;
  private count = 0;

  add(point: MetricPoint): void {
    this.newest = point;
    if (this.count++ % this.apart !== 0) return;
    this.kept.push(point);
    if (this.kept.length <= mostPoints) return;
    this.kept = this.kept.filter((_, i) => i % 2 === 0);
    this.apart *= 2;
  }

  get points(): MetricPoint[] {
    return this.newest === undefined || this.kept.at(-1) === this.newest
      ? this.kept
      : [...this.kept, this.newest];
  }
}

/** @returns undefined where the journal has not even its first event */
export function foldRun(events: Iterable<JournalEvent>): RunRecord | undefined {
  let started: RunStarted | undefined;
  let ended: Of<'run-ended'> | undefined;
  const results = new Map<string, StageEnded>();
  const curves = new Map<string, Map<string, Curve>>();
  for (const event of events) {
    if (event.type === 'run-started') started = event;
    else if (event.type === 'run-ended') ended = event;
    else if (event.type === 'stage-ended') results.set(event.stage, event);
    // A retried or resumed attempt tells its steps again: keep the newest telling.
    else if (event.type === 'stage-started') curves.delete(event.stage);
    else if (event.type === 'metric' && event.step !== undefined) {
      const ofStage = curves.get(event.stage) ?? new Map<string, Curve>();
      curves.set(event.stage, ofStage);
      const curve = ofStage.get(event.name) ?? new Curve();
      ofStage.set(event.name, curve);
      curve.add({ step: event.step, value: event.value });
    }
  }
  if (!started) return undefined;
  return {
    started,
    ended,
    planned: new Map(started.stages.map((stage) => [stage.name, stage])),
    results,
    series: new Map(
      [...curves].map(([stage, metrics]) => [
        stage,
        new Map([...metrics].map(([name, curve]) => [name, curve.points])),
      ]),
    ),
  };
}

/** Instances that data flows from into `name`, nearest first, without itself. */
export function ancestors(run: RunRecord, name: string): PlannedStage[] {
  const seen = new Set([name]);
  const order: PlannedStage[] = [];
  const queue = [name];
  for (const next of queue) {
    for (const sources of Object.values(run.planned.get(next)?.inputs ?? {})) {
      for (const source of sources) {
        if (source.from !== 'stage' || seen.has(source.stage)) continue;
        seen.add(source.stage);
        queue.push(source.stage);
        const stage = run.planned.get(source.stage);
        if (stage) order.push(stage);
      }
    }
  }
  return order;
}

/** "on onnx (31 stages) and cpu (3), 2 threads": what was really computed on, by this run or the one whose result it took. */
export function devicesOf({ started, results }: RunRecord): string {
  const counts = new Map<string, number>();
  for (const { device } of results.values())
    if (device !== undefined && device !== 'auto') counts.set(device, (counts.get(device) ?? 0) + 1);
  if (counts.size === 0) return `device ${started.device}`;
  const most = [...counts].sort((a, b) => b[1] - a[1]);
  const [only] = most.length === 1 ? most : [];
  const words = only
    ? only[0]
    : most.map(([device, n], i) => `${device} (${n}${i === 0 ? ' stages' : ''})`).join(' and ');
  const cpus = [...new Set(started.stages.flatMap((stage) => stage.cpus ?? []))].sort((a, b) => a - b);
  const threads =
    cpus.length === 0 ? '' : `, ${cpus.join(' or ')} ${cpus.at(-1) === 1 ? 'thread' : 'threads'} a stage`;
  return `on ${words}${threads}`;
}
