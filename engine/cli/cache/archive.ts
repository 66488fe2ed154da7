/** `cemiflow cache export` and `import`: results on their way from one machine to another. */
import { createReadStream, createWriteStream, existsSync, statSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { exportResults, withOrigins } from '../../cache/export.js';
import { importArchive } from '../../cache/import.js';
import { type Inventory, takeInventory } from '../../cache/inventory.js';
import { guarded, inWords } from '../../cache/trouble.js';
import type { StageKey } from '../../digest.js';
import { namesIn } from '../../journal/needs.js';
import type { CommonOptions } from '../options.js';
import { printJson } from '../output.js';
import { count } from '../screen/words.js';
import { UsageError } from '../trouble.js';
import { withCache } from './opened.js';
import { progressLine } from './progress.js';
import { type Named, namedBy } from './words.js';

interface ExportOptions extends CommonOptions {
  output: string;
  run?: string;
}

export async function exportVerb(words: readonly string[], command: Command): Promise<void> {
  const options = command.optsWithGlobals<ExportOptions>();
  const { output } = options;
  const toStdout = output === '-';
  if (!toStdout && !/\.(tar|tar\.gz|tgz)$/.test(output)) {
    throw new UsageError(
      `-o ${output}: what kind of archive is that?`,
      'Let the name end in .tar, .tar.gz or .tgz.',
    );
  }
  if (!toStdout && !existsSync(dirname(resolve(output)))) {
    throw new UsageError(
      `-o ${output}: there is no folder ${dirname(output)}`,
      'Make it first, or give another.',
    );
  }
  if (toStdout && options.json) throw new UsageError('-o - and --json both want stdout', 'Give -o a file.');
  if (toStdout && process.stdout.isTTY)
    throw new UsageError('an archive is no text for a terminal', 'Give -o a file, or pipe it on.');
  const exported = await withCache(
    options,
    async ({ cache, runsDir }) => {
      const inventory = takeInventory(cache);
      const named = namedBy(cache, runsDir, words, { run: options.run, runs: true });
      const keys = withOrigins(
        inventory,
        words.length === 0 ? inventory.results.keys() : keysOf(named, inventory),
      );
      if (keys.size === 0)
        throw new UsageError('there is no result to export', 'Run the experiment again first.');
      const line = progressLine(options);
      const write = (out: NodeJS.WritableStream) =>
        exportResults(cache, keys, inventory, out as never, {
          gzip: /gz$/.test(output),
          progress: (bytes, total) => line.show(`${inWords(bytes)} of ${inWords(total)}`),
        });
      try {
        return await (toStdout ? write(process.stdout) : intoFile(resolve(output), write));
      } finally {
        line.clear();
      }
    },
    { use: true },
  );
  const file = toStdout ? null : resolve(output);
  const archiveBytes = file === null ? null : statSync(file).size;
  if (options.json) return printJson({ file, archiveBytes, ...exported });
  if (!options.quiet) {
    process.stderr.write(
      `${toStdout ? 'exported' : output}: ${count(exported.results, 'result')}, ${count(exported.artifacts, 'artifact')}, ${inWords(archiveBytes ?? exported.bytes)}\n`,
    );
  }
}

/** Of a run what is still there; said where not all is. */
function keysOf(named: readonly Named[], { results }: Inventory): StageKey[] {
  return named.flatMap((one) => {
    if (one.what === 'result') return one.key;
    const { run, folder, started } = one.head;
    const keys = [...namesIn(folder)].filter((name) => results.has(name as StageKey)) as StageKey[];
    if (keys.length < started.stages.length) {
      process.stderr.write(
        `run ${run}: ${keys.length} of ${started.stages.length} stages have a result in the cache\n`,
      );
    }
    return keys;
  });
}

/** Whole, or not at all. */
async function intoFile<T>(file: string, write: (out: NodeJS.WritableStream) => Promise<T>): Promise<T> {
  const part = join(dirname(file), `.${basename(file)}.${process.pid}`);
  try {
    return await guarded(`write ${file}`, dirname(file), async () => {
      const result = await write(createWriteStream(part, { flush: true }));
      await rename(part, file);
      return result;
    });
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

export async function importVerb(file: string, command: Command): Promise<void> {
  const options = command.optsWithGlobals<CommonOptions>();
  if (file !== '-' && !statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw new UsageError(`there is no archive ${file}`, 'It is made by `cemiflow cache export -o FILE`.');
  }
  const imported = await withCache(
    options,
    async ({ cache }) => {
      const line = progressLine(options);
      try {
        const source = file === '-' ? process.stdin : createReadStream(file, { highWaterMark: 1024 * 1024 });
        return await importArchive(cache, source, {
          progress: (bytes, total) => line.show(`${inWords(bytes)} of ${inWords(total)}`),
        });
      } finally {
        line.clear();
      }
    },
    { create: true, use: true },
  );
  if (options.json) return printJson(imported);
  if (!options.quiet) {
    const { results, artifacts, bytes, known } = imported;
    process.stderr.write(
      `imported ${count(results, 'result')} and ${count(artifacts, 'artifact')}, ${inWords(bytes)}` +
        `${known > 0 ? `; ${count(known, 'result')} there already` : ''}\n`,
    );
  }
}
