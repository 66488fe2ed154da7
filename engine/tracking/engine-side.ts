/** The engine's side of delivery: starts the courier of a run, passes on what it says, and waits for it in the end as long as it gets on. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromCourier, ToCourier } from './courier-messages.js';
import type { TrackingTarget } from './server-settings.js';

/** How long a server that answers may take for the rest after the run's end. */
const patienceSeconds = 60;

export interface Delivery {
  /**
   * After the run's end: waits until all is delivered, the server does not answer, or `signal` is aborted.
   * @returns what is left undone, in words; undefined where all is there
   */
  finish(signal: AbortSignal): Promise<string | undefined>;
}

export interface DeliveryOptions {
  runsDir: string;
  /** Of the run. */
  folder: string;
  target: TrackingTarget;
  say: (text: string, trouble: boolean) => void;
}

/** Never throws: a run does not fail for want of tracking. */
export function startDelivery({ runsDir, folder, target, say }: DeliveryOptions): Delivery {
  // Detached: a Ctrl-C in the terminal is for the engine, which tells it when to end.
  const courier = fork(fileURLToPath(new URL('../tracking/courier.js', import.meta.url)), [], {
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: [],
  });
  const tell = (message: ToCourier) => courier.connected && courier.send(message);
  let last: string | undefined;
  const ended = new Promise<string | undefined>((resolve) => {
    courier.on('message', (message: FromCourier) => {
      switch (message.type) {
        case 'page':
          return say(`tracking: ${message.url}`, false);
        case 'say':
          return say(`tracking: ${message.text}`, true);
        case 'down':
          last = message.text;
          return say(
            `tracking: ${message.text}; the run goes on, and its journal keeps everything.${message.remedy ? ` ${message.remedy}` : ''}`,
            true,
          );
        case 'up':
          last = undefined;
          return say('tracking: the server is back', false);
        case 'ended':
          return resolve(message.complete ? undefined : (message.trouble ?? 'not everything was sent'));
      }
    });
    courier.on('error', (error) => resolve(`the courier cannot be started: ${error.message}`));
    courier.on('exit', () => resolve(last ?? 'the courier was killed'));
  });
  tell({ type: 'begin', runsDir, folder, target });
  // The run's end must not wait for a process that nobody asks any more.
  courier.unref();
  courier.channel?.unref();
  return {
    async finish(signal) {
      courier.channel?.ref();
      tell({ type: 'finish' });
      const given = new Promise<string>((resolve) => {
        const timer = setTimeout(() => resolve('the server is slow'), patienceSeconds * 1000);
        signal.addEventListener('abort', () => resolve('it was not waited for'));
        void ended.then(() => clearTimeout(timer));
      });
      const left = await Promise.race([ended, given]);
      if (courier.connected) courier.disconnect();
      return left;
    },
  };
}
