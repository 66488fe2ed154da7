/**
 * The process that delivers a run while it goes on. It only reads the run's journal, so that neither a server that is slow or gone nor
 * its own end holds up the run; when the engine dies it delivers what is left and closes the run there.
 */
import { setPriority } from 'node:os';
import { unfinishedDeliveries } from './backlog.js';
import type { FromCourier, ToCourier } from './courier-messages.js';
import { type Delivered, deliverRun, takeDelivery } from './deliver-run.js';
import { extrasOf } from './extras.js';
import { type MlflowClient, mlflowClient } from './mlflow-client.js';
import { serverAccess, TrackingSettingsError } from './server-settings.js';

// Stages come first.
setPriority(10);

const hurry = new AbortController();
const say = (message: FromCourier) => {
  if (process.connected) process.send?.(message);
};

// A Ctrl-C reaches every process of the terminal; when to stop is for the engine to say.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => hurry.abort());
process.on('message', (message: ToCourier) => {
  if (message.type === 'finish') hurry.abort();
  else
    run(message).then(
      ({ complete, metrics, trouble }) => end({ complete, metrics, trouble: trouble?.message }),
      (error: unknown) => end({ complete: false, metrics: 0, trouble: (error as Error).message }),
    );
});

function end({
  trouble,
  ...rest
}: {
  complete: boolean;
  metrics: number;
  trouble: string | undefined;
}): void {
  const message: FromCourier = { type: 'ended', ...rest, ...(trouble === undefined ? {} : { trouble }) };
  if (!process.connected) process.exit(0);
  process.send?.(message, () => process.exit(0));
}

async function run({ runsDir, folder, target }: Extract<ToCourier, { type: 'begin' }>): Promise<Delivered> {
  const client = clientOf(target.uri);
  if (!client) return { complete: false, metrics: 0, page: undefined };
  const common = { client, target, say: (text: string) => say({ type: 'say', text }) };
  const lock = await takeDelivery(folder);
  try {
    const main = deliverRun({
      ...common,
      folder,
      extras: extrasOf(runsDir, folder),
      page: (url) => say({ type: 'page', url }),
      down,
      up: () => say({ type: 'up' }),
      hurry: hurry.signal,
    });
    const [delivered] = await Promise.all([main, reconcile(runsDir, folder, common)]);
    return delivered;
  } finally {
    await lock.release();
    client.close();
  }
}

/** undefined where the settings of how to talk to the server cannot be used; that is said. */
function clientOf(uri: string): MlflowClient | undefined {
  try {
    return mlflowClient(uri, serverAccess(process.env));
  } catch (error) {
    if (!(error instanceof TrackingSettingsError)) throw error;
    down(error);
    return undefined;
  }
}

function down({ message, remedy }: { message: string; remedy?: string | undefined }): void {
  say({ type: 'down', text: message, ...(remedy === undefined ? {} : { remedy }) });
}

/** Earlier runs to the same server whose engine or courier was killed: they get the rest, and their final status. */
async function reconcile(
  runsDir: string,
  own: string,
  common: Pick<Parameters<typeof deliverRun>[0], 'client' | 'target' | 'say'>,
): Promise<void> {
  for (const { folder, target } of unfinishedDeliveries(runsDir)) {
    if (hurry.signal.aborted || folder === own || target.uri !== common.target.uri) continue;
    const lock = await takeDelivery(folder, hurry.signal).catch(() => undefined);
    // Told to end while another process delivers it.
    if (!lock) return;
    try {
      await deliverRun({
        ...common,
        target,
        folder,
        extras: extrasOf(runsDir, folder),
        attempts: 1,
        hurry: hurry.signal,
      });
    } finally {
      await lock.release();
    }
  }
}
