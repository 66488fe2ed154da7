/**
 * How much memory the processes of an attempt take together, looked at again and again while they run, and whether the kernel killed any
 * for it.
 */
import { readFileSync } from 'node:fs';
import { peakOfTree } from './process-group.js';

/** Before, a program has hardly begun; later looks cost more than they tell. */
const firstWaitMilliseconds = 20;
const lastingMilliseconds = 500;

export interface MemoryTaken {
  /** The most of all looks; 0 where it was too short to be seen, or there is no /proc. */
  peakBytes: number;
  /** Whether the kernel ended a process for want of memory meanwhile: on this machine, so it may have been another's. */
  kernelKilled: boolean;
}

export interface MemoryWatch {
  /** Ends it. */
  stop(): MemoryTaken;
}

/** @param pid the first of the processes; undefined where it could not be started */
export function watchMemory(pid: number | undefined): MemoryWatch {
  let peak = 0;
  const before = kernelKills();
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
      return { peakBytes: peak, kernelKilled: kernelKills() > before };
    },
  };
}

/** Processes that the kernel has ended for want of memory since it started, the limits of control groups included; 0 where it does not say. */
function kernelKills(): number {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
