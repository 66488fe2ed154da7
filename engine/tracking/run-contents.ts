/** What a run on the server carries besides metrics: tags, parameters, inputs, files; each made to fit, in batches within the limits. */
import { stringify } from 'yaml';
import type { PlannedStage } from '../journal/events.js';
import type { DeliveredRuns } from './delivered-runs.js';
import { shortened } from './fitting.js';
import { batchLimits, type KeyValue, lengths, mlflow } from './mlflow-api.js';
import type { MlflowClient } from './mlflow-client.js';
import { type OptionalParts, refused } from './optional-parts.js';
import type { RunFacts } from './run-facts.js';
import { datasetsOf } from './run-mapping.js';

export class RunContents {
  constructor(
    private readonly client: MlflowClient,
    private readonly runs: DeliveredRuns,
    private readonly optional: OptionalParts,
  ) {}

  async setTags(id: string, values: KeyValue[]): Promise<void> {
    for (let at = 0; at < values.length; at += batchLimits.tags)
      await this.client.call(mlflow.logBatch, {
        run_id: id,
        tags: values.slice(at, at + batchLimits.tags),
      });
  }

  /** Parameters are sent before any metric and by themselves: one that is refused spoils its whole batch. */
  async setParams(stage: string, id: string, params: readonly KeyValue[]): Promise<void> {
    let longest: number = lengths.param;
    let cut = false;
    const fit = (values: readonly KeyValue[]) =>
      values.map(({ key, value }) => {
        if (value.length > longest) cut = true;
        return { key, value: shortened(value, longest) };
      });
    const send = (values: readonly KeyValue[]) =>
      this.client.call(mlflow.logBatch, { run_id: id, params: fit(values) });
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
                cut = true;
                this.optional.tell(`${(again as Error).message}: parameter ${param.key} is left out`);
                break;
              }
            }
          }
        }
      }
    }
    if (cut) {
      const whole = stringify(Object.fromEntries(params.map(({ key, value }) => [key, value])));
      await this.optional.send('artifacts', () => this.upload(stage, 'parameters.yaml', Buffer.from(whole)));
    }
  }

  async setInputs(
    id: string,
    planned: PlannedStage,
    facts: RunFacts,
    modelOf: (stage: string) => string | undefined,
  ): Promise<void> {
    const datasets = datasetsOf(planned, facts);
    if (datasets.length > 0)
      await this.optional.send('data sets', () =>
        this.client.call(mlflow.logInputs, { run_id: id, datasets }),
      );
    const models = Object.values(planned.inputs).flatMap((sources) =>
      sources.flatMap((source) => {
        const model = source.from === 'stage' ? modelOf(source.stage) : undefined;
        return model === undefined ? [] : [{ model_id: model }];
      }),
    );
    if (models.length > 0)
      await this.optional.send('logged models', () =>
        this.client.call(mlflow.logInputs, { run_id: id, models }),
      );
  }

  /** @param path below the artifacts of that run */
  async upload(stage: string, path: string, content: Buffer | { file: string }): Promise<void> {
    const { artifact_uri } = await this.runs.info(stage);
    await this.client.upload(artifact_uri, path, content);
  }
}
