/**
 * Delivers one run to one server, from its journal, event by event. Whatever is sent may be sent again: runs and models are looked for before
 * they are made, metrics are read back where their fate is unclear, the rest replaces itself. So a delivery that was broken off goes on where
 * the cursor stands.
 */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import type { JournalEvent, PlannedStage } from '../journal/events.js';
import { readPiece } from '../journal/pieces.js';
import { experimentCopy, journalFile } from '../journal/run-folder.js';
import { type Cursor, writeCursor } from './cursor.js';
import { DeliveredRuns } from './delivered-runs.js';
import { fittingKey, fittingValue } from './fitting.js';
import { MetricDelivery } from './metric-delivery.js';
import type { KeyValue } from './mlflow-api.js';
import type { MlflowClient } from './mlflow-client.js';
import { ModelDelivery } from './model-delivery.js';
import { OptionalParts } from './optional-parts.js';
import { RunContents } from './run-contents.js';
import { pictures, type RunComparison, type RunExtras } from './run-extras.js';
import { type EventOf, RunFacts } from './run-facts.js';
import {
  costs,
  endTags,
  type Figure,
  milliseconds,
  parentParams,
  parentTags,
  runFigures,
  runNote,
  stageParams,
  stageTags,
  statusOf,
  tags,
} from './run-mapping.js';
import { recordOf, recordPath } from './run-record.js';

const PARENT = '';
/** No more of the journal is read before these are sent: enough for some batches at a time, and little memory. */
const enoughPoints = 16_000;

interface NewRun {
  name: string;
  at: string;
  tags: KeyValue[];
  params: KeyValue[];
}

export interface RunDeliveryParts {
  client: MlflowClient;
  /** The run's folder. */
  folder: string;
  cursor: Cursor;
  extras: RunExtras;
  /** Said to the user, each text once. */
  say: (text: string) => void;
}

export class RunDelivery {
  readonly facts = new RunFacts();
  private readonly metrics: MetricDelivery;
  private readonly runs: DeliveredRuns;
  private readonly contents: RunContents;
  private readonly models: ModelDelivery;
  private readonly optional: OptionalParts;
  private readonly doubtful: boolean;
  private piece: { events: JournalEvent[]; end: number } | undefined;
  private next = 0;
  /** Bytes of the journal that were read; their points may still wait. */
  private read: number;
  /** Events whose metrics have been added: one whose delivery failed after that comes again. */
  private readonly counted = new WeakSet<object>();

  constructor(private readonly parts: RunDeliveryParts) {
    const { client, cursor, folder, extras, say } = parts;
    this.optional = new OptionalParts(say);
    this.runs = new DeliveredRuns(client, folder, cursor);
    this.contents = new RunContents(client, this.runs, this.optional);
    this.models = new ModelDelivery(client, folder, cursor, extras, this.optional);
    this.metrics = new MetricDelivery(client, ({ metric, because }) => {
      const { points } = (cursor.refused[metric] ??= { points: 0, because });
      cursor.refused[metric]!.points = points + 1;
      this.optional.tell(`${because}; it stays in the journal only`);
    });
    this.read = cursor.acknowledged;
    this.doubtful = cursor.sending > cursor.acknowledged;
    // What was delivered before tells what the rest is about.
    for (let at = 0; at < cursor.acknowledged;) {
      const piece = readPiece(journalFile(folder), at);
      if (!piece) break;
      for (const event of piece.events) if (event.type !== 'metric') this.facts.take(event);
      at = piece.end;
    }
  }

  get delivered(): number {
    return this.metrics.delivered;
  }

  /** The run's page on the server, once it is there. */
  get page(): string | undefined {
    const { uri, experimentId, runs } = this.parts.cursor;
    return runs[PARENT] === undefined
      ? undefined
      : `${uri}/#/experiments/${experimentId}/runs/${runs[PARENT]}`;
  }

  /**
   * Delivers what is next in the journal; false where there was nothing new.
   * @throws TrackingError: what was acknowledged is kept, the rest goes when this is called again
   */
  async advance(): Promise<boolean> {
    const { cursor, folder } = this.parts;
    while (this.metrics.size < enoughPoints && (await this.openPiece())) {
      const { events, end } = this.piece!;
      for (; this.next < events.length; this.next++) {
        const event = events[this.next]!;
        await this.deliver(event);
        this.facts.take(event);
      }
      this.read = end;
      this.piece = undefined;
    }
    if (this.read === cursor.acknowledged) return false;
    await this.metrics.flush();
    cursor.acknowledged = this.read;
    await writeCursor(folder, cursor);
    return true;
  }

  private async openPiece(): Promise<boolean> {
    if (this.piece) return true;
    const { cursor, folder } = this.parts;
    this.piece = readPiece(journalFile(folder), this.read);
    this.next = 0;
    if (!this.piece) return false;
    cursor.sending = Math.max(cursor.sending, this.piece.end);
    await writeCursor(folder, cursor);
    return true;
  }

  /** Sends what waits until the end of the run, whose engine is no longer there, and closes every run that is open. */
  async close(report: string | undefined): Promise<void> {
    const { cursor, folder } = this.parts;
    const { facts } = this;
    if (!facts.started) return;
    for (const stage of facts.unfinished()) {
      await this.contents.setTags(await this.stageRun(stage), tags({ 'cemiflow.status': 'killed' }));
      await this.runs.setStatus(stage, 'KILLED', facts.last);
    }
    if (report !== undefined && existsSync(report))
      await this.optional.send('artifacts', () =>
        this.contents.upload(PARENT, basename(report), { file: report }),
      );
    const { extras } = this.parts;
    await this.optional.send('artifacts', async () => {
      for (const { path, content } of await extras.plots()) await this.contents.upload(PARENT, path, content);
      await this.contents.upload(PARENT, recordPath, recordOf(facts, await extras.cards()));
    });
    const comparison = await extras.comparison();
    await this.summarise(comparison?.rows ?? []);
    await this.contents.setTags(
      this.runs.id(PARENT)!,
      tags({
        'cemiflow.status': facts.ended?.status ?? 'killed',
        'cemiflow.error': facts.ended === undefined ? 'the engine ended without a word' : facts.ended.error,
        'mlflow.note.content': runNote(facts, comparison?.table),
      }),
    );
    const status = facts.ended ? statusOf[facts.ended.status] : 'KILLED';
    await this.runs.setStatus(PARENT, status, facts.ended?.at ?? facts.last);
    cursor.complete = true;
    await writeCursor(folder, cursor);
  }

  /** Figures of the run as a whole. */
  private async summarise(rows: RunComparison['rows']): Promise<void> {
    const id = this.runs.id(PARENT)!;
    // This may be the second time.
    this.metrics.doubt(id);
    this.addFigures(id, this, runFigures(this.facts, rows), this.facts.ended?.at ?? this.facts.last);
    await this.metrics.flush(id);
  }

  /** @param source of these figures: they are added once, however often it is delivered */
  private addFigures(id: string, source: object, figures: readonly Figure[], at: string): void {
    if (this.counted.has(source)) return;
    this.counted.add(source);
    for (const { key, value, step } of figures)
      this.metrics.add(id, {
        key: fittingKey(key),
        value: fittingValue(value),
        timestamp: milliseconds(at),
        step,
      });
  }

  private async deliver(event: JournalEvent): Promise<void> {
    switch (event.type) {
      case 'run-started':
        return this.runStarted(event);
      case 'stage-started':
        return void (await this.stageRun(event.stage, event.at));
      case 'metric':
        this.metrics.add(await this.stageRun(event.stage), {
          key: fittingKey(event.name),
          value: fittingValue(event.value),
          timestamp: milliseconds(event.at),
          step: Math.round(event.step ?? 0),
        });
        return;
      case 'stage-ended':
        return this.stageEnded(event);
      case 'system':
        for (const [name, value] of Object.entries(event.values))
          this.metrics.add(await this.parentRun(), {
            key: `system/${name}`,
            value,
            timestamp: milliseconds(event.at),
            step: event.step,
          });
        return;
      case 'retrying':
      case 'warning':
      case 'run-ended':
        return;
    }
  }

  private async runStarted(started: EventOf<'run-started'>): Promise<void> {
    this.facts.take(started);
    await this.parentRun();
    const file = experimentCopy(this.parts.folder);
    await this.optional.send('artifacts', async () => {
      if (existsSync(file)) await this.contents.upload(PARENT, 'experiment.yaml', { file });
      await this.contents.upload(PARENT, recordPath, recordOf(this.facts, undefined));
    });
  }

  private async stageEnded(ended: EventOf<'stage-ended'>): Promise<void> {
    const { stage, status, at } = ended;
    // A stage that never began has nothing to show; the parent's page says why.
    if (!this.facts.begun.has(stage) && status !== 'cached' && ended.seconds === 0) return;
    const planned = this.facts.planned.get(stage);
    const begun = new Date(milliseconds(at) - (status === 'cached' ? 0 : ended.seconds * 1000)).toISOString();
    const id = await this.stageRun(stage, begun);
    const figures = status === 'cached' ? { ...ended.metrics, ...costs(ended) } : costs(ended);
    this.addFigures(
      id,
      ended,
      Object.entries(figures).map(([key, value]) => ({ key, value, step: 0 })),
      at,
    );
    await this.metrics.flush(id);
    await this.contents.setTags(id, endTags(ended));
    this.facts.take(ended);
    if (planned) {
      await this.contents.setInputs(id, planned, this.facts, (other) => this.models.id(other));
      if (status === 'ok') await this.models.deliver(id, planned, ended);
      await this.optional.send('artifacts', () => this.pictures(planned, ended));
    }
    await this.runs.setStatus(stage, statusOf[status], at);
  }

  // Runs

  private parentRun(): Promise<string> {
    const { started } = this.facts;
    if (!started) throw new TypeError('the journal does not begin with its run');
    return this.run(PARENT, () =>
      Promise.resolve({
        name: `${started.name} ${started.run}`,
        at: started.at,
        tags: parentTags(started),
        params: parentParams(started),
      }),
    );
  }

  private stageRun(stage: string, at = this.facts.begun.get(stage)?.at ?? this.facts.last): Promise<string> {
    return this.run(stage, async () => {
      const parent = await this.parentRun();
      const planned = this.facts.planned.get(stage);
      return {
        name: stage,
        at,
        tags: [
          ...tags({ 'mlflow.parentRunId': parent }),
          ...(planned ? stageTags(this.facts.started!, planned) : []),
        ],
        params: planned ? stageParams(planned) : [],
      };
    });
  }

  /** @param describe asked where the run is not known yet. @returns its id there */
  private async run(stage: string, describe: () => Promise<NewRun>): Promise<string> {
    const known = this.runs.id(stage);
    if (known !== undefined) {
      if (this.doubtful) this.doubtOnce(known);
      return known;
    }
    const { params, ...made } = await describe();
    // Before any metric, so that one bad parameter does not spoil a batch of them.
    const equip = (id: string) => this.contents.setParams(stage, id, params);
    const { id, found } = await this.runs.add(this.facts.started!.run, stage, made, equip);
    if (found) this.doubtOnce(id);
    return id;
  }

  private readonly doubted = new Set<string>();
  private doubtOnce(id: string): void {
    if (this.doubted.has(id)) return;
    this.doubted.add(id);
    this.metrics.doubt(id);
  }

  /** On the stage's own page, and on the parent's as one series over the points of the matrix. */
  private async pictures(planned: PlannedStage, ended: EventOf<'stage-ended'>): Promise<void> {
    const { extras } = this.parts;
    const points = [...this.facts.planned.values()].filter(({ stage }) => stage === planned.stage);
    for (const [owner, step] of [[planned.name, 0] as const, [PARENT, points.indexOf(planned)] as const]) {
      const files = await pictures(planned, ended, extras, step);
      for (const { path, content } of files) await this.contents.upload(owner, path, content);
      if (files.length > 0)
        await this.contents.setTags(this.runs.id(owner)!, tags({ 'mlflow.loggedImages': true }));
    }
  }
}
