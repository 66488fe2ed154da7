/** The model that a stage made, as a logged model of its run: its settings, its digest, its files. */
import type { PlannedStage } from '../journal/events.js';
import { type Cursor, writeCursor } from './cursor.js';
import { fittingKey, fittingModelName, flattened, shortened } from './fitting.js';
import { batchLimits, lengths, mlflow } from './mlflow-api.js';
import type { MlflowClient } from './mlflow-client.js';
import type { OptionalParts } from './optional-parts.js';
import { modelFiles, type RunExtras } from './run-extras.js';
import type { EventOf } from './run-facts.js';
import { tags } from './run-mapping.js';

export class ModelDelivery {
  /** @param folder the run's */
  constructor(
    private readonly client: MlflowClient,
    private readonly folder: string,
    private readonly cursor: Cursor,
    private readonly extras: RunExtras,
    private readonly optional: OptionalParts,
  ) {}

  /** @returns the id of the model that the stage made, where the server has it */
  id(stage: string): string | undefined {
    return this.cursor.models[stage];
  }

  /** @param id of the stage's run. Nothing is done where the stage made no model. */
  async deliver(id: string, planned: PlannedStage, ended: EventOf<'stage-ended'>): Promise<void> {
    const { client, cursor, folder, extras } = this;
    const output = Object.values(ended.outputs).find(({ type }) => type === 'model');
    if (!output || cursor.models[ended.stage] !== undefined) return;
    await this.optional.send('logged models', async () => {
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
            name: fittingModelName(ended.stage),
            model_type: planned.kind,
            source_run_id: id,
            params: flattened(planned.settings)
              .slice(0, batchLimits.params)
              .map(({ key, value }) => ({
                key: fittingKey(key),
                value: shortened(value, lengths.shorterParam),
              })),
            tags: tags({ 'cemiflow.sha256': output.digest, 'cemiflow.stage': ended.stage }),
          })
        ).model;
      await this.optional.send('artifacts', async () => {
        for (const { path, file } of modelFiles(output.digest, extras))
          await client.upload(info.artifact_uri, path, { file });
      });
      await client.call(mlflow.finishModel, { model_id: info.model_id, status: 'LOGGED_MODEL_READY' });
      await client.call(mlflow.logOutputs, { run_id: id, models: [{ model_id: info.model_id, step: 0 }] });
      cursor.models[ended.stage] = info.model_id;
      await writeCursor(folder, cursor);
    });
  }
}
