/** What a terminal, a scheduler or a person sends to a run: the first signal is a wish, the second an order; Ctrl-Z and fg. */

export interface RunSignals {
  /** Start nothing new; what runs may save its work. */
  stop: AbortSignal;
  /** End now. */
  kill: AbortSignal;
  close(): void;
}

export interface Standstill {
  /** Before this process is stopped. */
  pause(): void;
  /** When it goes on. */
  resume(): void;
}

/** SIGHUP: the terminal was closed. */
const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export function listenForSignals({ pause, resume }: Standstill): RunSignals {
  const stop = new AbortController();
  const kill = new AbortController();
  const end = () => (stop.signal.aborted ? kill : stop).abort();
  const standStill = () => {
    pause();
    process.kill(process.pid, 'SIGSTOP');
  };
  for (const name of endings) process.on(name, end);
  process.on('SIGTSTP', standStill);
  process.on('SIGCONT', resume);
  return {
    stop: stop.signal,
    kill: kill.signal,
    close() {
      for (const name of endings) process.off(name, end);
      process.off('SIGTSTP', standStill);
      process.off('SIGCONT', resume);
    },
  };
}
