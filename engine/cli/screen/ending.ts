/** The last words of a run: counts and time; after a failure the end of the log, where the rest is, and the line that resumes. */
import { existsSync } from 'node:fs';
import { logFile } from '../../journal/run-folder.js';
import { lastWords } from '../../run/stage-log.js';
import type { RunOutcome } from '../../run/summary.js';
import type { StageStatus } from '../../journal/events.js';
import { fromHere } from '../invocation.js';
import type { Colors } from '../output.js';
import { count, duration, printable, tally } from './words.js';

const logLines = 15;
/** With --keep-going dozens may fail for one reason; their logs are all there. */
const failuresShown = 3;

export interface EndingOptions {
  colors: Colors;
  /** The line that runs the same again. */
  resume: string;
}

export function endingLines(outcome: RunOutcome, { colors: c, resume }: EndingOptions): string[] {
  const { summary, status, folder, remedies, scratch } = outcome;
  const lines: string[] = [];
  const failed = summary.stages.filter((stage) => stage.status === 'failed');
  for (const { name, error } of failed.slice(0, failuresShown)) {
    lines.push('', c.red(`${name} failed: ${printable(error ?? '')}`));
    const remedy = remedies.get(name);
    if (remedy !== undefined) lines.push(`  ${remedy}`);
    const log = logFile(folder, name);
    lines.push(...lastWords(log, logLines).map((line) => c.dim(`  | ${printable(line)}`)));
    // Not there where the stage could not even be begun.
    if (existsSync(log)) lines.push(`  Its log: ${fromHere(log)}`);
    const written = scratch.get(name);
    if (written !== undefined) lines.push(`  What it had written: ${fromHere(written)}`);
  }
  if (failed.length > failuresShown)
    lines.push('', `and ${failed.length - failuresShown} more: cemiflow show ${summary.run}`);
  const counts: Partial<Record<StageStatus, number>> = {};
  for (const stage of summary.stages) counts[stage.status] = (counts[stage.status] ?? 0) + 1;
  const word = { ok: c.green('ok'), failed: c.red('failed'), interrupted: c.yellow('interrupted') }[status];
  if (failed.length > 0) lines.push('');
  lines.push(`${word}: ${tally(counts)}, in ${duration(summary.seconds)}`);
  if (status === 'ok') return lines;
  const kept = (counts.ok ?? 0) + (counts.cached ?? 0);
  lines.push(
    `${kept > 0 ? `${count(kept, 'finished stage')} ${kept === 1 ? 'is' : 'are'} kept. ` : ''}Resume: ${resume}`,
  );
  return lines;
}
