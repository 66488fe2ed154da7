/** From a word on the command line to a run, its record, its comparison and its report. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../digest.js';
import { listRuns, readHead, readJournal, type RunHead } from '../journal/reader.js';
import { cacheRoot, isRunId, logFile, reportFile } from '../journal/run-folder.js';
import type { CompareOptions, Comparison } from '../report/compare.js';
import { foldRun, type RunRecord } from '../report/run.js';
import { UsageError } from './trouble.js';

/** @param word a run's id, its beginning or its last four digits; `latest` or nothing is the newest */
export function findRun(runsDir: string, word?: string): RunHead {
  if (word !== undefined && isRunId(word)) {
    const head = readHead(join(runsDir, word));
    if (head) return head;
  }
  const runs = listRuns(runsDir);
  const [newest] = runs;
  if (!newest)
    throw new UsageError(`there are no runs in ${runsDir}`, 'Run an experiment first: cemiflow run FILE.');
  if (word === undefined || word === 'latest') return newest;
  const found = runs.filter(({ run }) => run.startsWith(word) || run.endsWith(`-${word}`));
  if (found.length === 1) return found[0]!;
  const some = (found.length > 0 ? found : runs).slice(0, 5).map(({ run }) => run);
  throw new UsageError(
    found.length > 1 ? `several runs begin with '${word}'` : `there is no run '${word}' in ${runsDir}`,
    `${found.length > 1 ? 'They are' : 'The newest ones'}: ${some.join(', ')}. All of them: cemiflow list.`,
  );
}

/** The whole journal of a run, folded. */
export function recordOf({ run, folder }: RunHead): RunRecord {
  const record = foldRun(readJournal(folder));
  if (!record) throw new UsageError(`the journal of run ${run} cannot be read: ${folder}`);
  return record;
}

/** Where an artifact of the cache lies, if it is still there. Looking needs no open cache. */
export function artifactsIn(runsDir: string): (digest: Digest) => string | undefined {
  return (digest) => {
    const folder = join(cacheRoot(runsDir), 'objects', digest.slice(0, 2), digest);
    return existsSync(folder) ? folder : undefined;
  };
}

export async function compared(
  runsDir: string,
  runs: readonly RunRecord[],
  options: CompareOptions = {},
): Promise<Comparison> {
  const [{ compareRuns }, { compareSource }] = await Promise.all([
    import('../report/compare.js'),
    import('../report/report.js'),
  ]);
  const artifact = artifactsIn(runsDir);
  return compareRuns(
    runs.map((run) => compareSource(run, artifact)),
    options,
  );
}

/** Of a failed stage's log, in the report. */
const logLines = 15;

/** @returns the report's path */
export async function reported(runsDir: string, head: RunHead, file?: string): Promise<string> {
  const [{ writeReport }, { lastWords }] = await Promise.all([
    import('../report/report.js'),
    import('../run/stage-log.js'),
  ]);
  const logOf = (stage: string) => lastWords(logFile(head.folder, stage), logLines);
  return writeReport(recordOf(head), artifactsIn(runsDir), file ?? reportFile(head.folder), logOf);
}
