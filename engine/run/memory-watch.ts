/** How much memory the processes of an attempt take together, looked at again and again while they run. */
import { peakOfTree } from './process-group.js';

/** Programs of a moment are seen, too; later looks cost more than they tell. */
const firstWaitMilliseconds = 20;
const lastingMilliseconds = 500;

export interface MemoryWatch {
  /** Ends it. @returns the most of all looks, bytes; 0 where there is no /proc */
  stop(): number;
}

/** @param pid the first of the processes; undefined where it could not be started */
export function watchMemory(pid: number | undefined): MemoryWatch {
  let peak = 0;
  let timer: NodeJS.Timeout | undefined;
  const look = (next: number): void => {
    peak = Math.max(peak, peakOfTree(pid!));
    timer = setTimeout(() => look(Math.min(lastingMilliseconds, 2 * next)), next);
  };
  if (pid !== undefined) look(firstWaitMilliseconds);
  return {
    stop() {
      clearTimeout(timer);
      return peak;
    },
  };
}
