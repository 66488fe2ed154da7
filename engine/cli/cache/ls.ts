/** `cemiflow cache ls`: the results in the cache. */
import { statfsSync } from 'node:fs';
import type { Command } from 'commander';
import { digestsOf, takeInventory } from '../../cache/inventory.js';
import { readPins } from '../../cache/pins.js';
import { inWords } from '../../cache/trouble.js';
import { namesIn } from '../../journal/needs.js';
import { join } from 'node:path';
import { fromHere } from '../invocation.js';
import type { CommonOptions } from '../options.js';
import { colorsFor, columns, printJson, printLines, roomOf } from '../output.js';
import { ago } from '../quantities.js';
import { count } from '../screen/words.js';
import { withCache } from './opened.js';

interface Options extends CommonOptions {
  sort: 'used' | 'size' | 'stage' | 'kind';
  kind?: string;
}

export async function ls(stages: readonly string[], command: Command): Promise<void> {
  const options = command.optsWithGlobals<Options>();
  await withCache(options, async ({ cache, runsDir }) => {
    const inventory = takeInventory(cache);
    const pinned = new Set(
      readPins(cache).flatMap(({ what, name, holds }) => [
        ...holds,
        ...(what === 'run' ? namesIn(join(runsDir, name)) : []),
      ]),
    );
    const rows = [...inventory.results.values()]
      .map(({ result, bytes, used }) => ({
        key: result.key,
        stage: result.by.stage,
        kind: result.components.kind,
        run: result.by.run,
        at: result.by.at,
        seconds: result.by.seconds,
        used,
        // What its artifacts refer to belongs to other results.
        bytes:
          bytes +
          [...new Set(digestsOf(result))].reduce(
            (sum, digest) => sum + (inventory.objects.get(digest)?.bytes ?? 0),
            0,
          ),
        pinned: pinned.has(result.key),
        outputs: result.outputs,
      }))
      .filter(({ kind }) => options.kind === undefined || kind === options.kind)
      .filter(
        ({ stage }) =>
          stages.length === 0 || stages.some((word) => stage === word || stage.startsWith(`${word}@`)),
      )
      .sort(orders[options.sort]);
    const objects = [...inventory.objects.values()];
    const unfinished = { checkpoints: inventory.checkpoints, failed: inventory.failed };
    if (options.json) {
      return printJson({
        folder: cache.root,
        bytes: inventory.bytes,
        freeDiskBytes: freeBytes(cache.root),
        results: rows.map(({ used, outputs, ...row }) => ({
          ...row,
          lastUse: new Date(used).toISOString(),
          outputs: Object.fromEntries(
            Object.entries(outputs).map(([name, { type, digest, bytes }]) => [name, { type, digest, bytes }]),
          ),
        })),
        artifacts: { count: objects.length, bytes: sum(objects) },
        checkpoints: { count: unfinished.checkpoints.length, bytes: sum(unfinished.checkpoints) },
        failed: { count: unfinished.failed.length, bytes: sum(unfinished.failed) },
      });
    }
    const c = colorsFor(process.stdout, options.color);
    const room = roomOf(options);
    // Which run made it is the least that a narrow terminal can do without; -v has it.
    const narrow = room !== undefined && room < 100;
    printLines(
      columns(
        rows.map(({ used, bytes, stage, kind, key, run, pinned }) => [
          ago(used),
          inWords(bytes),
          stage,
          kind,
          key.slice(0, 12),
          ...(narrow ? [] : [run]),
          pinned ? 'pinned' : '',
        ]),
        (cell, column) => (column === (narrow ? 5 : 6) ? c.green(cell) : cell),
        room,
      ),
    );
    if (options.quiet) return;
    const folders = Object.entries(unfinished).flatMap(([what, items]) =>
      items.length === 0
        ? []
        : `${items.length} ${what === 'failed' ? 'failed attempts' : what} ${inWords(sum(items))}`,
    );
    process.stderr.write(
      `${fromHere(cache.root)}: ${inWords(inventory.bytes)} in ${count(inventory.results.size, 'result')}` +
        `${folders.map((text) => `, ${text}`).join('')}; ${inWords(freeBytes(cache.root))} free\n`,
    );
  });
}

interface Row {
  used: number;
  bytes: number;
  stage: string;
  kind: string;
}

const orders: Record<Options['sort'], (a: Row, b: Row) => number> = {
  used: (a, b) => b.used - a.used,
  size: (a, b) => b.bytes - a.bytes,
  stage: (a, b) => collate(a.stage, b.stage) || b.used - a.used,
  kind: (a, b) => collate(a.kind, b.kind) || collate(a.stage, b.stage),
};

const collate = (a: string, b: string) => a.localeCompare(b, 'en', { numeric: true });

const sum = (items: readonly { bytes: number }[]) => items.reduce((bytes, item) => bytes + item.bytes, 0);

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
