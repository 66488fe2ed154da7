/**
 * Delivers one run to one server, from its journal: runs, parameters, tags, metrics, data sets, models, pictures, the end. Whatever is sent
 * may be sent again: runs and models are looked for before they are made, metrics are read back where their fate is unclear, the rest
 * replaces itself. So a delivery that was broken off goes on where the cursor stands.
 */
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { basename } from 'node:path';
import { stringify } from 'yaml';
import type { JournalEvent, PlannedStage } from '../journal/events.js';
import { readPiece } from '../journal/pieces.js';
import { experimentCopy, journalFile } from '../journal/run-folder.js';
import { type Cursor, writeCursor } from './cursor.js';
import { fittingKey, fittingModelName, fittingValue, flattened, shortened } from './fitting.js';
import { MetricDelivery } from './metric-delivery.js';
import { batchLimits, type KeyValue, lengths, mlflow, type RunInfo, type RunStatus } from './mlflow-api.js';
import { type MlflowClient, TrackingError } from './mlflow-client.js';
import { modelFiles, pictures, type RunComparison, type RunExtras } from './run-extras.js';
import { type EventOf, RunFacts } from './run-facts.js';
import { recordOf, recordPath } from './run-record.js';
import {
  costs,
  datasetsOf,
  endTags,
  identity,
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

const PARENT = '';

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
  private readonly infos = new Map<string, RunInfo>();
  private readonly said = new Set<string>();
  /** What the server does not have, or refused once and for all. */
  private readonly without = new Set<string>();
  private readonly doubtful: boolean;
  private piece: { events: JournalEvent[]; end: number } | undefined;
  private next = 0;

  constructor(private readonly parts: RunDeliveryParts) {
    const { client, cursor, folder } = parts;
    this.metrics = new MetricDelivery(client, ({ metric, because }) => {
      const { points } = (cursor.refused[metric] ??= { points: 0, because });
      cursor.refused[metric]!.points = points + 1;
      this.tell(`${because}; it stays in the journal only`);
    });
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
   * Delivers the next piece of the journal; false where there was nothing new.
   * @throws TrackingError: what was acknowledged is kept, the rest goes when this is called again
   */
  async advance(): Promise<boolean> {
    const { cursor, folder } = this.parts;
    if (!this.piece) {
      this.piece = readPiece(journalFile(folder), cursor.acknowledged);
      this.next = 0;
      if (!this.piece) return false;
      cursor.sending = Math.max(cursor.sending, this.piece.end);
      await writeCursor(folder, cursor);
    }
    const { events, end } = this.piece;
    for (; this.next < events.length; this.next++) {
      const event = events[this.next]!;
      await this.deliver(event);
      this.facts.take(event);
    }
    await this.metrics.flush();
    cursor.acknowledged = end;
    this.piece = undefined;
    await writeCursor(folder, cursor);
    return true;
  }

  /** Sends what waits until the end of the run, whose engine is no longer there, and closes every run that is open. */
  async close(report: string | undefined): Promise<void> {
    const { cursor, folder } = this.parts;
    const { facts } = this;
    if (!facts.started) return;
    for (const stage of facts.unfinished()) {
      await this.setTags(await this.stageRun(stage), tags({ 'cemiflow.status': 'killed' }));
      await this.setStatus(stage, 'KILLED', facts.last);
    }
    if (report !== undefined && existsSync(report))
      await this.optional('artifacts', () => this.upload(PARENT, basename(report), { file: report }));
    const { extras } = this.parts;
    await this.optional('artifacts', async () => {
      for (const { path, content } of await extras.plots()) await this.upload(PARENT, path, content);
      await this.upload(PARENT, recordPath, recordOf(facts, await extras.cards()));
    });
    const comparison = await extras.comparison();
    await this.summarise(comparison?.rows ?? []);
    await this.setTags(
      cursor.runs[PARENT]!,
      tags({
        'cemiflow.status': facts.ended?.status ?? 'killed',
        'cemiflow.error': facts.ended === undefined ? 'the engine ended without a word' : facts.ended.error,
        'mlflow.note.content': runNote(facts, comparison?.table),
      }),
    );
    const status = facts.ended ? statusOf[facts.ended.status] : 'KILLED';
    await this.setStatus(PARENT, status, facts.ended?.at ?? facts.last);
    cursor.complete = true;
    await writeCursor(folder, cursor);
  }

  /** Figures of the run as a whole. */
  private async summarise(rows: RunComparison['rows']): Promise<void> {
    const id = this.parts.cursor.runs[PARENT]!;
    // This may be the second time.
    this.metrics.doubt(id);
    const timestamp = milliseconds(this.facts.ended?.at ?? this.facts.last);
    for (const { key, value, step } of runFigures(this.facts, rows))
      this.metrics.add(id, { key: fittingKey(key), value: fittingValue(value), timestamp, step });
    await this.metrics.flush(id);
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
    const id = await this.parentRun();
    await this.setParams(PARENT, id, parentParams(started));
    const file = experimentCopy(this.parts.folder);
    await this.optional('artifacts', async () => {
      if (existsSync(file)) await this.upload(PARENT, 'experiment.yaml', { file });
      await this.upload(PARENT, recordPath, recordOf(this.facts, undefined));
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
    for (const [name, value] of Object.entries(figures))
      this.metrics.add(id, {
        key: fittingKey(name),
        value: fittingValue(value),
        timestamp: milliseconds(at),
        step: 0,
      });
    await this.metrics.flush(id);
    await this.setTags(id, endTags(ended));
    this.facts.take(ended);
    if (planned) {
      await this.inputs(id, stage);
      if (status === 'ok') await this.models(id, ended);
      await this.optional('artifacts', () => this.pictures(planned, ended));
    }
    await this.setStatus(stage, statusOf[status], at);
  }

  // Runs

  private parentRun(): Promise<string> {
    const { started } = this.facts;
    if (!started) throw new TypeError('the journal does not begin with its run');
    return this.ensureRun(PARENT, {
      name: `${started.name} ${started.run}`,
      at: started.at,
      tags: parentTags(started),
    });
  }

  private async stageRun(
    stage: string,
    at = this.facts.begun.get(stage)?.at ?? this.facts.last,
  ): Promise<string> {
    const { cursor } = this.parts;
    const known = cursor.runs[stage];
    if (known !== undefined) {
      if (this.doubtful) this.doubtOnce(known);
      return known;
    }
    const parent = await this.parentRun();
    const started = this.facts.started!;
    const planned = this.facts.planned.get(stage);
    const id = await this.ensureRun(stage, {
      name: stage,
      at,
      tags: [...tags({ 'mlflow.parentRunId': parent }), ...(planned ? stageTags(started, planned) : [])],
    });
    if (planned) await this.setParams(stage, id, stageParams(planned));
    return id;
  }

  private readonly doubted = new Set<string>();
  private doubtOnce(id: string): void {
    if (this.doubted.has(id)) return;
    this.doubted.add(id);
    this.metrics.doubt(id);
  }

  private async ensureRun(
    stage: string,
    made: { name: string; at: string; tags: KeyValue[] },
  ): Promise<string> {
    const { client, cursor, folder } = this.parts;
    const known = cursor.runs[stage];
    if (known !== undefined) {
      if (this.doubtful) this.doubtOnce(known);
      return known;
    }
    const experimentId = await this.experiment();
    const { run } = this.facts.started!;
    const quoted = (text: string) => `'${text.replaceAll("'", "\\'")}'`;
    const found = await client.call(mlflow.searchRuns, {
      experiment_ids: [experimentId],
      filter: `tags.\`cemiflow.run\` = ${quoted(run)} and tags.\`cemiflow.stage\` = ${quoted(stage)}`,
      max_results: 1,
    });
    const there = found.runs?.[0];
    if (there) this.doubtOnce(there.info.run_id);
    const { info } =
      there ??
      (
        await client.call(mlflow.createRun, {
          experiment_id: experimentId,
          start_time: milliseconds(made.at),
          run_name: made.name,
          user_id: user(),
          tags: [...identity(run, stage), ...tags({ 'mlflow.user': user() }), ...made.tags],
        })
      ).run;
    this.infos.set(stage, info);
    cursor.runs[stage] = info.run_id;
    await writeCursor(folder, cursor);
    return info.run_id;
  }

  private async experiment(): Promise<string> {
    const { client, cursor } = this.parts;
    if (cursor.experimentId !== undefined) return cursor.experimentId;
    const byName = () => client.call(mlflow.experimentByName, { experiment_name: cursor.experiment });
    let id: string;
    try {
      const { experiment } = await byName();
      if (experiment.lifecycle_stage === 'deleted')
        throw new TrackingError(
          `the experiment '${cursor.experiment}' was deleted on ${client.uri}`,
          'locked-out',
          {
            remedy: `Restore it with \`mlflow experiments restore\`, or name another: tracking.experiment.`,
          },
        );
      id = experiment.experiment_id;
    } catch (error) {
      if (!(error instanceof TrackingError) || error.kind !== 'not-found') throw error;
      try {
        id = (await client.call(mlflow.createExperiment, { name: cursor.experiment })).experiment_id;
      } catch (made) {
        // Another run made it meanwhile.
        if (!(made instanceof TrackingError) || made.more.code !== 'RESOURCE_ALREADY_EXISTS') throw made;
        id = (await byName()).experiment.experiment_id;
      }
    }
    cursor.experimentId = id;
    return id;
  }

  private async info(stage: string): Promise<RunInfo> {
    const known = this.infos.get(stage);
    if (known) return known;
    const { run } = await this.parts.client.call(mlflow.getRun, { run_id: this.parts.cursor.runs[stage]! });
    this.infos.set(stage, run.info);
    return run.info;
  }

  private async setStatus(stage: string, status: RunStatus, at: string): Promise<void> {
    await this.parts.client.call(mlflow.updateRun, {
      run_id: this.parts.cursor.runs[stage]!,
      status,
      end_time: milliseconds(at),
    });
  }

  // What a run carries

  private async setTags(id: string, values: KeyValue[]): Promise<void> {
    for (let at = 0; at < values.length; at += batchLimits.tags)
      await this.parts.client.call(mlflow.logBatch, {
        run_id: id,
        tags: values.slice(at, at + batchLimits.tags),
      });
  }

  /** Parameters are sent before any metric and by themselves: one that is refused spoils its whole batch. */
  private async setParams(stage: string, id: string, params: KeyValue[]): Promise<void> {
    let longest: number = lengths.param;
    let cut = false;
    const fit = (values: readonly KeyValue[]) =>
      values.map(({ key, value }) => {
        if (value.length > longest) cut = true;
        return { key, value: shortened(value, longest) };
      });
    const send = (values: readonly KeyValue[]) =>
      this.parts.client.call(mlflow.logBatch, { run_id: id, params: fit(values) });
    for (let at = 0; at < params.length; at += batchLimits.params) {
      const batch = params.slice(at, at + batchLimits.params);
      try {
        await send(batch);
      } catch (error) {
        if (!refused(error)) throw error;
        for (const param of batch) {
          for (const length of [lengths.param, lengths.shorterParam, lengths.shortestParam]) {
            longest = Math.min(longest, length);
            try {
              await send([param]);
              break;
            } catch (again) {
              if (!refused(again)) throw again;
              if (length === lengths.shortestParam || param.value.length <= length) {
                this.tell(`${(again as Error).message}: parameter ${param.key} is left out`);
                break;
              }
            }
          }
        }
      }
    }
    if (cut) {
      const whole = stringify(Object.fromEntries(params.map(({ key, value }) => [key, value])));
      await this.optional('artifacts', () => this.upload(stage, 'parameters.yaml', Buffer.from(whole)));
    }
  }

  private async inputs(id: string, stage: string): Promise<void> {
    const planned = this.facts.planned.get(stage)!;
    const datasets = datasetsOf(planned, this.facts);
    if (datasets.length > 0)
      await this.optional('data sets', () =>
        this.parts.client.call(mlflow.logInputs, { run_id: id, datasets }),
      );
    const models = Object.values(planned.inputs).flatMap((sources) =>
      sources.flatMap((source) => {
        const model = source.from === 'stage' ? this.parts.cursor.models[source.stage] : undefined;
        return model === undefined ? [] : [{ model_id: model }];
      }),
    );
    if (models.length > 0)
      await this.optional('logged models', () =>
        this.parts.client.call(mlflow.logInputs, { run_id: id, models }),
      );
  }

  private async models(id: string, ended: EventOf<'stage-ended'>): Promise<void> {
    const { client, cursor, folder, extras } = this.parts;
    const output = Object.values(ended.outputs).find(({ type }) => type === 'model');
    if (!output || cursor.models[ended.stage] !== undefined) return;
    await this.optional('logged models', async () => {
      const planned = this.facts.planned.get(ended.stage)!;
      const name = fittingModelName(ended.stage);
      const there = await client.call(mlflow.searchModels, {
        experiment_ids: [cursor.experimentId!],
        filter: `source_run_id = '${id}'`,
        max_results: 1,
      });
      const { info } =
        there.models?.[0] ??
        (
          await client.call(mlflow.createModel, {
            experiment_id: cursor.experimentId!,
            name,
            model_type: planned.kind,
            source_run_id: id,
            params: flattened(planned.settings)
              .slice(0, batchLimits.params)
              .map(({ key, value }) => ({ key, value: shortened(value, lengths.shorterParam) })),
            tags: tags({ 'cemiflow.sha256': output.digest, 'cemiflow.stage': ended.stage }),
          })
        ).model;
      await this.optional('artifacts', async () => {
        for (const { path, file } of modelFiles(output.digest, extras))
          await client.upload(info.artifact_uri, path, { file });
      });
      await client.call(mlflow.finishModel, { model_id: info.model_id, status: 'LOGGED_MODEL_READY' });
      await client.call(mlflow.logOutputs, { run_id: id, models: [{ model_id: info.model_id, step: 0 }] });
      cursor.models[ended.stage] = info.model_id;
      await writeCursor(folder, cursor);
    });
  }

  /** On the stage's own page, and on the parent's as one series over the points of the matrix. */
  private async pictures(planned: PlannedStage, ended: EventOf<'stage-ended'>): Promise<void> {
    const { cursor, extras } = this.parts;
    const points = [...this.facts.planned.values()].filter(({ stage }) => stage === planned.stage);
    for (const [owner, step] of [[planned.name, 0] as const, [PARENT, points.indexOf(planned)] as const]) {
      const files = await pictures(planned, ended, extras, step);
      for (const { path, content } of files) await this.upload(owner, path, content);
      if (files.length > 0) await this.setTags(cursor.runs[owner]!, tags({ 'mlflow.loggedImages': true }));
    }
  }

  private async upload(stage: string, path: string, content: Buffer | { file: string }): Promise<void> {
    const { artifact_uri } = await this.info(stage);
    await this.parts.client.upload(artifact_uri, path, content);
  }

  /** What an older server lacks, or this one refuses, is left out, and said once. */
  private async optional(part: string, send: () => Promise<unknown>): Promise<void> {
    if (this.without.has(part)) return;
    try {
      await send();
    } catch (error) {
      if (!(error instanceof TrackingError)) throw error;
      if (error.kind === 'no-endpoint') {
        this.without.add(part);
        this.tell(
          `the server takes no ${part} (${error.message}); the rest is sent. ${error.more.remedy ?? ''}`.trim(),
        );
      } else if (refused(error)) this.tell(`${error.message}: some ${part} are left out`);
      else throw error;
    }
  }

  private tell(text: string): void {
    if (this.said.has(text)) return;
    this.said.add(text);
    this.parts.say(text);
  }
}

const refused = (error: unknown): boolean =>
  error instanceof TrackingError && (error.kind === 'refused' || error.kind === 'too-large');

function user(): string {
  try {
    return userInfo().username;
  } catch {
    // A container without an entry for its user id.
    return '';
  }
}
