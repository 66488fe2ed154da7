/** What a run's journal has said so far that later events need: who the stages are, what they made, which of them have not ended. */
import type { JournalEvent, PlannedStage } from '../journal/events.js';

export type EventOf<T extends JournalEvent['type']> = Extract<JournalEvent, { type: T }>;

export class RunFacts {
  started: EventOf<'run-started'> | undefined;
  ended: EventOf<'run-ended'> | undefined;
  readonly planned = new Map<string, PlannedStage>();
  readonly begun = new Map<string, EventOf<'stage-started'>>();
  readonly results = new Map<string, EventOf<'stage-ended'>>();
  /** The time of the newest event. */
  last = '';

  take(event: JournalEvent): void {
    this.last = event.at;
    if (event.type === 'run-started') {
      this.started = event;
      for (const stage of event.stages) this.planned.set(stage.name, stage);
    } else if (event.type === 'stage-started') this.begun.set(event.stage, event);
    else if (event.type === 'stage-ended') this.results.set(event.stage, event);
    else if (event.type === 'run-ended') this.ended = event;
  }

  /** Stages that began and of whose end the journal says nothing. */
  unfinished(): string[] {
    return [...this.begun.keys()].filter((stage) => !this.results.has(stage));
  }
}
