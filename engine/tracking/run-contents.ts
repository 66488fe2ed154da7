/** What a run on the server carries besides metrics: tags, parameters, inputs, files; each made to fit, in batches within the limits. */
import { stringify } from 'yaml';
import type { PlannedStage } from '../journal/events.js';
import type { DeliveredRuns } from './delivered-runs.js';
import { batchesOf, bytesOf, fittingKey, shortened } from './fitting.js';
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
    for (const tags of batchesOf(values, batchLimits.tags, bytesOf))
      await this.optional.send('tags', () => this.client.call(mlflow.logBatch, { run_id: id, tags }));
  }

  /**
   * Parameters are sent before any metric and by themselves: one that is refused spoils its whole batch.
   * @param params with their whole names and values; where one had to be shortened, an artifact has them all
   */
  async setParams(stage: string, id: string, params: readonly KeyValue[]): Promise<void> {
    let longest: number = lengths.param;
    let cut = false;
    const send = async (values: readonly KeyValue[], length: number) => {
      const fitted = values.map(({ key, value }) => ({
        key: fittingKey(key),
        value: shortened(value, length),
      }));
      await this.client.call(mlflow.logBatch, { run_id: id, params: fitted });
      cut ||= fitted.some(({ key, value }, i) => key !== values[i]!.key || value !== values[i]!.value);
    };
    const sendAlone = async (param: KeyValue) => {
      const shorter = [lengths.shorterParam, lengths.shortestParam].filter(
        (length) => length < Math.min(longest, param.value.length),
      );
      let trouble: unknown;
      for (const length of [longest, ...shorter]) {
        try {
          await send([param], length);
          longest = length;
          return;
        } catch (error) {
          if (!refused(error)) throw error;
          trouble ??= error;
        }
      }
      cut = true;
      this.optional.tell(`${(trouble as Error).message}: parameter ${param.key} is left out`);
    };
    for (const batch of batchesOf(params, batchLimits.params, bytesOf)) {
      try {
        await send(batch, longest);
      } catch (error) {
        if (!refused(error)) throw error;
        for (const param of batch) await sendAlone(param);
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
