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
/** Several deliveries may find the same. */
const said = new Set<string>();
/** @returns when it is on its way; an engine that is killed at this moment does not matter */
async function say(message: FromCourier): Promise<void> {
  if (!process.connected || (message.type === 'say' && said.has(message.text))) return;
  if (message.type === 'say') said.add(message.text);
  await new Promise<unknown>((resolve) => process.send!(message, resolve));
}

// A Ctrl-C reaches every process of the terminal; when to stop is for the engine to say.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => hurry.abort());
process.on('message', (message: ToCourier) => {
  if (message.type === 'finish') hurry.abort();
  else void run(message).finally(() => process.exit(0));
});

async function run({ runsDir, folder, target }: Extract<ToCourier, { type: 'begin' }>): Promise<void> {
  const client = clientOf(target.uri);
  if (!client) return say({ type: 'ended', complete: false, metrics: 0 });
  const common = { client, target, say: (text: string) => void say({ type: 'say', text }) };
  // The engine waits for its own run only.
  const main = deliverOwn(runsDir, folder, common).then(
    ({ complete, metrics, trouble }) => ended({ complete, metrics }, trouble?.message),
    (error: unknown) => ended({ complete: false, metrics: 0 }, (error as Error).message),
  );
  await Promise.allSettled([main, reconcile(runsDir, folder, common)]);
  client.close();
}

const ended = (how: { complete: boolean; metrics: number }, trouble: string | undefined) =>
  say({ type: 'ended', ...how, ...(trouble === undefined ? {} : { trouble }) });

type Common = Pick<Parameters<typeof deliverRun>[0], 'client' | 'target' | 'say'>;

async function deliverOwn(runsDir: string, folder: string, common: Common): Promise<Delivered> {
  const lock = await takeDelivery(folder);
  try {
    return await deliverRun({
      ...common,
      folder,
      extras: extrasOf(runsDir, folder),
      page: (url) => void say({ type: 'page', url }),
      down,
      up: () => void say({ type: 'up' }),
      hurry: hurry.signal,
    });
  } finally {
    await lock.release();
  }
}

/** undefined where the settings of how to talk to the server cannot be used; that is said. */
function clientOf(uri: string): MlflowClient | undefined {
  try {
    let told = 0;
    return mlflowClient(uri, serverAccess(process.env), () => {
      if (performance.now() - told < 1000) return;
      told = performance.now();
      void say({ type: 'answered' });
    });
  } catch (error) {
    if (!(error instanceof TrackingSettingsError)) throw error;
    down(error);
    return undefined;
  }
}

function down({ message, remedy }: { message: string; remedy?: string | undefined }): void {
  void say({ type: 'down', text: message, ...(remedy === undefined ? {} : { remedy }) });
}

/** Earlier runs to the same server whose engine or courier was killed: they get the rest, and their final status. */
async function reconcile(runsDir: string, own: string, common: Common): Promise<void> {
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
