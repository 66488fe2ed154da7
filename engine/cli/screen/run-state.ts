/** What both views know of a run: folded from its events, without a word. */
import type { StageStatus } from '../../journal/events.js';
import type { Decision } from '../../plan/plan.js';
import type { RunEvent } from '../../run/events.js';
import { fewMetrics, Pace, printable } from './words.js';

export interface AtWork {
  name: string;
  since: number;
  pace: Pace;
  metrics: Record<string, number>;
  /** The last line it wrote: all there is to see of a program that reports no progress. */
  said?: string;
  /** What it stands still for. */
  waiting?: string;
}

/** What is said beside a stage's bar or time. */
export function noteOf({ pace, metrics, said }: AtWork): string {
  return pace.note ?? (fewMetrics(metrics) || (said === undefined ? '' : printable(said)));
}

export class RunState {
  run = '';
  name = '';
  folder = '';
  total = 0;
  readonly begun: number;
  readonly working = new Map<string, AtWork>();
  readonly counts: Partial<Record<StageStatus, number>> = {};
  stopping = false;
  /** The run's own map: what was 'maybe' is decided in it as the run goes on. */
  private decisions: ReadonlyMap<string, Decision> = new Map();
  private plannedCached: ReadonlySet<string> = new Set();
  private plannedToRun: ReadonlySet<string> = new Set();

  constructor(now: number) {
    this.begun = now;
  }

  take(event: RunEvent, now: number): void {
    switch (event.type) {
      case 'run-started':
        this.run = event.run;
        this.name = event.name;
        this.total = event.stages.length;
        return;
      case 'planned':
        this.folder = event.folder;
        this.decisions = event.decisions;
        this.plannedCached = stagesThat(event.decisions, 'reuse');
        this.plannedToRun = stagesThat(event.decisions, 'run');
        return;
      case 'stage-started':
        this.working.set(event.stage, { name: event.stage, since: now, pace: new Pace(), metrics: {} });
        return;
      case 'waiting':
        this.working.set(event.stage, {
          name: event.stage,
          since: now,
          pace: new Pace(),
          metrics: {},
          waiting: event.text,
        });
        return;
      case 'progress':
        this.working.get(event.stage)?.pace.heard(event, now);
        return;
      case 'metric': {
        const stage = this.working.get(event.stage);
        if (stage) stage.metrics[event.name] = event.value;
        return;
      }
      case 'stage-ended':
        this.working.delete(event.stage);
        this.counts[event.status] = (this.counts[event.status] ?? 0) + 1;
        return;
      case 'stopping':
        this.stopping = true;
        return;
      case 'log': {
        const stage = this.working.get(event.stage);
        const line = event.lines.slice(event.lines.lastIndexOf('\n') + 1);
        // A command's log begins with the command itself.
        if (stage && line.trim() !== '' && !event.lines.startsWith('$ ')) stage.said = line;
        return;
      }
      case 'warning':
      case 'left-behind':
      case 'retrying':
      case 'run-ended':
        return;
    }
  }

  /** How a stage that was not known to be cached came to be. */
  whyCached(stage: string): string {
    return this.plannedToRun.has(stage) ? 'made meanwhile' : 'what it depends on came out the same';
  }

  /** Whether it was known from the start that the stage need not run: no news, then. */
  wasPlannedCached(stage: string): boolean {
    return this.plannedCached.has(stage);
  }

  decision(stage: string): Decision | undefined {
    return this.decisions.get(stage);
  }

  planned(act: Decision['act']): number {
    return [...this.decisions.values()].filter((decision) => decision.act === act).length;
  }

  /** Neither ended nor at work. */
  get left(): number {
    const ended = Object.values(this.counts).reduce((sum, n) => sum + n, 0);
    return Math.max(0, this.total - ended - this.working.size);
  }
}

function stagesThat(decisions: ReadonlyMap<string, Decision>, act: Decision['act']): ReadonlySet<string> {
  return new Set([...decisions.values()].flatMap((decision) => (decision.act === act ? decision.stage : [])));
}
