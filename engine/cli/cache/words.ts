/** From the words RUN, STAGE and KEY of a command line to runs and keys of results. */
import type { LocalCache } from '../../cache/cache.js';
import type { StageKey } from '../../digest.js';
import { type RunHead, listRuns, readJournal } from '../../journal/reader.js';
import { nearestName } from '../../nearest-name.js';
import { findRun } from '../run-files.js';
import { UsageError } from '../trouble.js';

export type Named =
  | { what: 'run'; head: RunHead }
  /** `stage`: the instance's name, as the run that it was taken from has it; `run` is null for a KEY. */
  | { what: 'result'; key: StageKey; stage: string; run: string | null };

export interface WordOptions {
  /** Take stages as that run has them. */
  run?: string | undefined;
  /** Whether a word may name a run. */
  runs: boolean;
}

/** @throws UsageError for a word that names nothing, or several things */
export function namedBy(
  cache: LocalCache,
  runsDir: string,
  words: readonly string[],
  options: WordOptions,
): Named[] {
  const heads = listRuns(runsDir);
  const keys = cache.results.keys();
  const from = options.run === undefined ? heads : [findRun(runsDir, options.run)];
  return words.flatMap((word) => {
    const runs = options.runs ? heads.filter(({ run }) => namesRun(word, run)) : [];
    const results = /^[0-9a-f]{6,64}$/.test(word) ? keys.filter((key) => key.startsWith(word)) : [];
    if (options.runs && word === 'latest') return [{ what: 'run' as const, head: findRun(runsDir, word) }];
    if (runs.length + results.length > 1) {
      const some = [...runs.map(({ run }) => run), ...results.map((key) => key.slice(0, 16))];
      throw new UsageError(
        `several things are named '${word}': ${some.slice(0, 6).join(', ')}`,
        'Give more of the name.',
      );
    }
    if (runs[0]) return [{ what: 'run' as const, head: runs[0] }];
    if (results[0])
      return [{ what: 'result' as const, key: results[0], stage: stageOf(cache, results[0]), run: null }];
    const found = stageOfRuns(from, word, new Set(keys));
    if (found.length > 0) return found;
    throw unknown(cache, from, word, options);
  });
}

const namesRun = (word: string, run: string) =>
  word.length >= 4 && (run.startsWith(word) || run.endsWith(`-${word}`));

export function stageOf(cache: LocalCache, key: StageKey): string {
  const read = cache.results.read(key);
  return read && 'result' in read ? read.result.by.stage : key.slice(0, 12);
}

/** The results of that stage or instance in the newest run that has some. */
function stageOfRuns(heads: readonly RunHead[], word: string, keys: ReadonlySet<string>): Named[] {
  for (const { run, folder, started } of heads) {
    const names = new Set(
      started.stages.filter(({ name, stage }) => word === name || word === stage).map(({ name }) => name),
    );
    if (names.size === 0) continue;
    const found = new Map<string, Named>();
    for (const event of readJournal(folder)) {
      if (event.type !== 'stage-ended' || !names.has(event.stage)) continue;
      if (event.status !== 'ok' && event.status !== 'cached') continue;
      if (event.key === undefined || !keys.has(event.key)) continue;
      found.set(event.stage, { what: 'result', key: event.key as StageKey, stage: event.stage, run });
    }
    if (found.size > 0) return [...found.values()];
  }
  return [];
}

function unknown(
  cache: LocalCache,
  heads: readonly RunHead[],
  word: string,
  { runs }: WordOptions,
): UsageError {
  const stages = new Set(
    heads.slice(0, 20).flatMap(({ started }) => started.stages.flatMap(({ name, stage }) => [name, stage])),
  );
  const message = `no ${runs ? 'run, no ' : ''}result in ${cache.root} is named '${word}'`;
  if (stages.has(word))
    return new UsageError(message, 'The stage is known and has no result there: run its experiment.');
  const near = nearestName(word, stages);
  return new UsageError(
    message,
    `${near !== undefined ? `Did you mean '${near}'? ` : ''}\`cemiflow cache ls\` lists the results${runs ? ', `cemiflow list` the runs' : ''}.`,
  );
}
