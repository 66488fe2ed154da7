/** The runs on the server that make up one run of cemiflow, and their experiment: found there or made, each once, and remembered in the cursor. */
import { userInfo } from 'node:os';
import { type Cursor, writeCursor } from './cursor.js';
import { shortened } from './fitting.js';
import { type KeyValue, lengths, mlflow, type RunInfo, type RunStatus } from './mlflow-api.js';
import { type MlflowClient, noMlflow, TrackingError } from './mlflow-client.js';
import { identity, milliseconds, tags } from './run-mapping.js';

export class DeliveredRuns {
  private readonly infos = new Map<string, RunInfo>();

  /** @param folder the run's */
  constructor(
    private readonly client: MlflowClient,
    private readonly folder: string,
    private readonly cursor: Cursor,
  ) {}

  /** @param stage '' for the parent. @returns undefined where it is not known to be there */
  id(stage: string): string | undefined {
    return this.cursor.runs[stage];
  }

  /**
   * A run that is not known yet: looked for, since its creation may not have been answered, then made.
   * @param equip what it must have before it counts as there: should that fail, the run is found by the next try, and equipped again
   * @returns whether it was there
   */
  async add(
    run: string,
    stage: string,
    made: { name: string; at: string; tags: KeyValue[] },
    equip: (id: string) => Promise<void>,
  ): Promise<{ id: string; found: boolean }> {
    const { client, cursor, folder } = this;
    const experimentId = await this.experiment();
    const wanted = identity(run, stage);
    const answer = await client.call(mlflow.searchRuns, {
      experiment_ids: [experimentId],
      // Neither run ids nor stage names hold quotes.
      filter: wanted.map(({ key, value }) => `tags.\`${key}\` = '${value}'`).join(' and '),
      max_results: 1,
    });
    const there = answer.runs?.[0];
    const { info } =
      there ??
      (
        await client.call(mlflow.createRun, {
          experiment_id: experimentId,
          start_time: milliseconds(made.at),
          run_name: shortened(made.name, lengths.runName),
          user_id: user(),
          tags: [...wanted, ...tags({ 'mlflow.user': user() }), ...made.tags],
        })
      ).run;
    this.infos.set(stage, info);
    await equip(info.run_id);
    cursor.runs[stage] = info.run_id;
    await writeCursor(folder, cursor);
    return { id: info.run_id, found: there !== undefined };
  }

  async info(stage: string): Promise<RunInfo> {
    const known = this.infos.get(stage);
    if (known) return known;
    const { run } = await this.client.call(mlflow.getRun, { run_id: this.cursor.runs[stage]! });
    this.infos.set(stage, run.info);
    return run.info;
  }

  async setStatus(stage: string, status: RunStatus, at: string): Promise<void> {
    await this.client.call(mlflow.updateRun, {
      run_id: this.cursor.runs[stage]!,
      status,
      end_time: milliseconds(at),
    });
  }

  private async experiment(): Promise<string> {
    const { client, cursor } = this;
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
      if (!(error instanceof TrackingError)) throw error;
      if (error.kind === 'no-endpoint')
        throw new TrackingError(error.message, 'refused', { remedy: noMlflow });
      if (error.kind !== 'not-found') throw error;
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
}

function user(): string {
  try {
    return userInfo().username;
  } catch {
    // A container without an entry for its user id.
    return '';
  }
}
