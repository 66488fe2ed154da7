/** From a word on the command line to a run, its record, its comparison and its report. */
import { join } from 'node:path';
import { eachEvent, listRuns, readHead, type RunHead } from '../journal/reader.js';
import { artifactsIn, isRunId, logFile, reportFile } from '../journal/run-folder.js';
import type { CompareSource } from '../report/compare.js';
import { foldRun, type RunRecord } from '../report/run.js';
import { UsageError } from './trouble.js';

/** @param word a run's id, its beginning or its last four digits; `latest` or nothing is the newest */
export function findRun(runsDir: string, word?: string): RunHead {
  if (word !== undefined && isRunId(word)) {
    const head = readHead(join(runsDir, word));
    if (head) return head;
  }
  const runs = listRuns(runsDir);
  if (runs.length === 0)
    throw new UsageError(`there are no runs in ${runsDir}`, 'Run an experiment first: cemiflow run FILE.');
  return pickRun(runs, word, `in ${runsDir}`);
}

/** @param runs newest first, at least one; `where` they are, for the message */
export function pickRun<R extends { run: string }>(
  runs: readonly R[],
  word: string | undefined,
  where: string,
): R {
  if (word === undefined || word === 'latest') return runs[0]!;
  const found = runs.filter(({ run }) => run.startsWith(word) || run.endsWith(`-${word}`));
  if (found.length === 1) return found[0]!;
  const some = (found.length > 0 ? found : runs).slice(0, 5).map(({ run }) => run);
  throw new UsageError(
    found.length > 1 ? `several runs begin with '${word}'` : `there is no run '${word}' ${where}`,
    `${found.length > 1 ? 'They are' : 'The newest ones'}: ${some.join(', ')}. All of them: cemiflow list.`,
  );
}

/** The whole journal of a run, folded. */
export function recordOf({ run, folder }: RunHead): RunRecord {
  const record = foldRun(eachEvent(folder));
  if (!record) throw new UsageError(`the journal of run ${run} cannot be read: ${folder}`);
  return record;
}

/** Of the journal and the cache, as `compareRuns` takes it. */
export async function journalSource(runsDir: string, head: RunHead): Promise<CompareSource> {
  const { compareSource } = await import('../report/report.js');
  return compareSource(recordOf(head), artifactsIn(runsDir));
}

/** Of a failed stage's log, in the report. */
const logLines = 15;

/** @returns the report's path */
export async function reported(
  runsDir: string,
  head: RunHead,
  {
    file = reportFile(head.folder),
    record = recordOf(head),
  }: { file?: string | undefined; record?: RunRecord } = {},
): Promise<string> {
  const [{ writeReport }, { lastWords }] = await Promise.all([
    import('../report/report.js'),
    import('../run/stage-log.js'),
  ]);
  const logOf = (stage: string) => lastWords(logFile(head.folder, stage), logLines);
  return writeReport(record, artifactsIn(runsDir), file, logOf);
}
