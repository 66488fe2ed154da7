/**
 * What sort of failure ended an attempt, as far as another attempt could help, and in words: from an error, or from how a process
 * died and what it said last.
 */
import { constants } from 'node:os';
import { inWords } from '../cache/trouble.js';
import type { FailureClass } from '../experiment/experiment.js';
import type { MemoryTaken } from './memory-watch.js';

export interface Failure {
  message: string;
  remedy?: string;
  class: FailureClass;
}

/** How a process ended without a word of its own to us. */
export interface Death {
  exitCode?: number | undefined;
  signal?: string | undefined;
  /** Why it could not even be started, where it was not. */
  originalMessage?: string | undefined;
}

/** What V8, the C++ and Python libraries, CUDA and the kernel say. */
const memoryWords =
  /heap out of memory|out of memory|MemoryError|bad_alloc|cannot allocate memory|failed to allocate memory|buffer allocation failed|out_of_memory|resource ?exhausted|alloc_failed|\bENOMEM\b/i;

const passingCodes = [
  'EIO',
  'EAGAIN',
  'EBUSY',
  'ESTALE',
  'ETIMEDOUT',
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'ENETUNREACH',
  'ENETDOWN',
  'EHOSTUNREACH',
  'EAI_AGAIN',
];

const passingWords = new RegExp(
  String.raw`\b(?:${passingCodes.join('|')})\b|input/output error|connection (?:reset|refused|aborted|timed out)|timed out|network is unreachable|no route to host|temporary failure|stale (?:nfs )?file handle|resource temporarily unavailable`,
  'i',
);

/** sysexits.h: "temporary failure; the user is invited to retry". */
const temporaryFailure = 75;

const fullDiskWords = /no space left on device|disk quota exceeded|\b(?:ENOSPC|EDQUOT)\b/i;
export const FULL_DISK =
  'Free some space (cemiflow gc removes results no recent run uses), or keep runs on another disk with --runs-dir.';

/** How an attempt used memory, for what is said where that ran out. */
export interface MemoryUse extends MemoryTaken {
  /** `with.batch` of the stage, where it has one. */
  batch?: unknown;
}

/** Of an error that a stage threw. A code anywhere among its causes tells more than words. */
export function classOfError(error: unknown): FailureClass {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (code === 'ENOMEM' || code === 'ERR_WORKER_OUT_OF_MEMORY') return 'memory';
    if (code !== undefined && passingCodes.includes(code)) return 'io';
    if (memoryWords.test(at.message)) return 'memory';
  }
  return 'error';
}

/** @param words the last lines that it wrote */
export function failureOfDeath(
  { exitCode, signal, originalMessage }: Death,
  words: string,
  memory: MemoryUse,
): Failure {
  if (exitCode === undefined && signal === undefined) {
    const message = `its process could not be started: ${originalMessage ?? 'unknown reason'}`;
    return { message, class: classOfWords(message) };
  }
  const ended = signal ?? signalOfExitCode(exitCode!);
  if (ended === undefined)
    return {
      message: `its process ended with exit code ${exitCode}`,
      class: exitCode === temporaryFailure ? 'io' : classOfWords(words),
      ...(fullDiskWords.test(words) ? { remedy: FULL_DISK } : {}),
    };
  const { batch, peakBytes, kernelKilled } = memory;
  const lower =
    typeof batch === 'number' && batch > 1 ? `lower its with.batch (now ${batch})` : 'lower its batch';
  const remedy = `${lower}, or run fewer stages at a time with -j 1.`;
  const held = peakBytes > 0 ? `, having been seen with ${inWords(peakBytes)}` : '';
  const outOfMemory = (message: string): Failure => ({
    message: `${message}${held}`,
    class: 'memory',
    remedy: `${remedy[0]!.toUpperCase()}${remedy.slice(1)}`,
  });
  if (memoryWords.test(words)) return outOfMemory(`it ran out of memory (${ended})`);
  switch (ended) {
    case 'SIGKILL':
      if (kernelKilled) return outOfMemory('the kernel ended its process for want of memory (SIGKILL)');
      return {
        message: `its process was killed (SIGKILL)${held}`,
        remedy: `If nobody did that, memory ran out: ${remedy}`,
        class: 'memory',
      };
    case 'SIGABRT':
      return {
        message: 'its process aborted (SIGABRT)',
        remedy: `The log says more. If it names a heap limit, memory ran out: ${lower}.`,
        class: 'crash',
      };
    case 'SIGPIPE':
      return {
        message: 'a program of its pipe was ended by SIGPIPE: the next one (head, say) had read enough',
        remedy: "Let that one read on, or write 'set +o pipefail' where that is fine.",
        class: 'error',
      };
    default:
      return { message: `its process was ended by ${ended}`, class: 'crash' };
  }
}

function classOfWords(words: string): FailureClass {
  if (memoryWords.test(words)) return 'memory';
  return passingWords.test(words) ? 'io' : 'error';
}

/** A shell tells of a child's signal by an exit code of 128 + its number. */
function signalOfExitCode(exitCode: number): string | undefined {
  return Object.entries(constants.signals).find(([, number]) => number === exitCode - 128)?.[0];
}
