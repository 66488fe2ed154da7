/** The engine's side of delivery: starts the courier of a run, passes on what it says, and waits for it in the end as long as it gets on. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromCourier, ToCourier } from './courier-messages.js';
import type { TrackingTarget } from './server-settings.js';

/** How long a server may take for the rest after the run's end, and for one answer meanwhile. */
const patienceSeconds = 60;
const silenceSeconds = 30;
/** After so long somebody may wonder. */
const wonderSeconds = 3;

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
  let heard = () => undefined as unknown;
  const tell = (message: ToCourier) => courier.connected && courier.send(message);
  /** What the courier last failed with, until it succeeds. */
  let last: string | undefined;
  /** However often the server comes and goes, each way to fail is said once. */
  const said = new Set<string>();
  let silent = false;
  const ended = new Promise<string | undefined>((resolve) => {
    courier.on('message', (message: FromCourier) => {
      switch (message.type) {
        case 'page':
          return say(`tracking: ${message.url}`, false);
        case 'say':
          return say(`tracking: ${message.text}`, true);
        case 'down':
          last = message.text;
          silent = said.has(last);
          if (silent) return;
          said.add(last);
          return say(
            `tracking: ${message.text}; the run goes on, and its journal keeps everything.${message.remedy ? ` ${message.remedy}` : ''}`,
            true,
          );
        case 'up':
          last = undefined;
          return silent ? undefined : say('tracking: the server is back', false);
        case 'answered':
          return heard();
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
      const timers: NodeJS.Timeout[] = [];
      const after = (seconds: number, act: () => void) => timers.push(setTimeout(act, seconds * 1000));
      const given = new Promise<string>((resolve) => {
        signal.addEventListener('abort', () => resolve('it was not waited for'));
        after(patienceSeconds, () => resolve('the server is slow'));
        after(silenceSeconds, () => resolve('the server does not answer'));
        const silence = timers.at(-1)!;
        heard = () => silence.refresh();
        after(wonderSeconds, () => say('tracking: sending the rest; Ctrl-C leaves it for later', false));
      });
      const left = await Promise.race([ended, given]);
      for (const timer of timers) clearTimeout(timer);
      if (courier.connected) courier.disconnect();
      return left;
    },
  };
}
