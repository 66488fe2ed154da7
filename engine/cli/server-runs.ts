/** Runs of a tracking server for verbs that read runs: which server, which of its runs, and what is not there. */
import type { MlflowClient } from '../tracking/mlflow-client.js';
import type { FoundRun, ServerRun } from '../tracking/server-runs.js';
import type { ServerOptions } from './options.js';
import { UsageError } from './trouble.js';

/**
 * @param choose which of all runs, newest first, to read
 * @throws UsageError, TrackingError, TrackingSettingsError
 */
export async function runsOnServer(
  { from, experiment }: ServerOptions,
  choose: (found: FoundRun[], where: string) => FoundRun[],
): Promise<ServerRun[]> {
  const [{ findServerRuns, readServerRuns }, { mlflowClient }, { serverAccess, withoutCredentials }] =
    await Promise.all([
      import('../tracking/server-runs.js'),
      import('../tracking/mlflow-client.js'),
      import('../tracking/server-settings.js'),
    ]);
  const address = from === 'mlflow' ? process.env['MLFLOW_TRACKING_URI'] : from;
  if (!address)
    throw new UsageError(
      'no server is named to read runs from',
      'Set MLFLOW_TRACKING_URI, or give its address: --from http://127.0.0.1:5000.',
    );
  const uri = withoutCredentials(address);
  const client: MlflowClient = mlflowClient(uri, serverAccess(process.env));
  try {
    const runs = await readServerRuns(client, choose(await findServerRuns(client, experiment), `on ${uri}`));
    for (const { missing } of runs) if (missing !== undefined) process.stderr.write(`${missing}\n`);
    return runs;
  } finally {
    client.close();
  }
}
