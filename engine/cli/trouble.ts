/** What went wrong, for people: one message, one remedy, one exit code. */
import { CommanderError } from 'commander';

/** Exit codes, as DESIGN and README state them. */
export const exitCodes = { ok: 0, stageFailed: 1, badUsage: 2, interrupted: 130 } as const;

/** The command line or a file on it is not right. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  constructor(
    message: string,
    readonly remedy?: string,
  ) {
    super(message);
  }
}

/** The verb has said all there is to say; only the exit code is left. */
export class Exit extends Error {
  override readonly name = 'Exit';
  constructor(readonly code: number) {
    super(`exit ${code}`);
  }
}

/** Expected trouble of the parts below: each has a remedy, and none is worth a stack. */
const expected = new Set([
  'UsageError',
  'CacheError',
  'SelectionError',
  'RunRefused',
  'FilterError',
  'TrackingError',
  'TrackingSettingsError',
]);

/** Says what is to be said on stderr, and returns the exit code. */
export function sayTrouble(error: unknown, stderr: NodeJS.WritableStream): number {
  if (error instanceof Exit) return error.code;
  // commander has printed its message; help and version come this way too.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.badUsage;
  if (error instanceof Error && expected.has(error.name)) {
    const { remedy } = error as { remedy?: string };
    stderr.write(`cemiflow: ${error.message}\n${remedy === undefined ? '' : `  ${remedy}\n`}`);
    return exitCodes.badUsage;
  }
  stderr.write(
    `cemiflow: internal error, please report it with what you did\n${(error as Error)?.stack ?? String(error)}\n`,
  );
  return exitCodes.stageFailed;
}
