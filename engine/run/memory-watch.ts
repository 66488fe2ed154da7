/** How much memory the processes of an attempt take together, looked at again and again while they run. */
import { peakOfTree } from './process-group.js';

/** Before, a program has hardly begun; later looks cost more than they tell. */
const firstWaitMilliseconds = 20;
const lastingMilliseconds = 500;

export interface MemoryWatch {
  /** Ends it. @returns the most of all looks, bytes; 0 where it was too short to be seen, or there is no /proc */
  stop(): number;
}

/** @param pid the first of the processes; undefined where it could not be started */
export function watchMemory(pid: number | undefined): MemoryWatch {
  let peak = 0;
  let timer: NodeJS.Timeout | undefined;
  const lookAfter = (wait: number): void => {
    timer = setTimeout(() => {
      peak = Math.max(peak, peakOfTree(pid!));
      lookAfter(Math.min(lastingMilliseconds, 2 * wait));
    }, wait);
  };
  if (pid !== undefined) lookAfter(firstWaitMilliseconds);
  return {
    stop() {
      clearTimeout(timer);
      return peak;
    },
  };
}
