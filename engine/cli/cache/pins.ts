/** `cemiflow cache pin`, `unpin` and `pins`. */
import type { Command } from 'commander';
import type { LocalCache } from '../../cache/cache.js';
import { digestsOf } from '../../cache/inventory.js';
import { type Pin, readPins, removePin, writePin } from '../../cache/pins.js';
import { sweeping } from '../../cache/sweep.js';
import { namesIn } from '../../journal/needs.js';
import type { CommonOptions } from '../options.js';
import { columns, printJson, printLines } from '../output.js';
import { ago } from '../quantities.js';
import { UsageError } from '../trouble.js';
import { waitingWords, withCache } from './opened.js';
import { type Named, namedBy } from './words.js';

type Options = CommonOptions & { run?: string };

export async function pin(words: readonly string[], command: Command): Promise<void> {
  const options = command.optsWithGlobals<Options>();
  await withCache(options, async ({ cache, runsDir }) => {
    const named = namedBy(cache, runsDir, words, { run: options.run, runs: true });
    const pins = named.map((one) => pinOf(cache, one));
    // While nobody sweeps: what is pinned must not be going already.
    await sweeping(cache, waitingWords(options), async ({ results }) => {
      const gone = pins.find(({ what, name }) => what === 'result' && !results.has(name as never));
      if (gone)
        throw new UsageError(
          `the result of ${gone.label} has just been removed`,
          'Run its experiment again first.',
        );
      for (const one of pins) await writePin(cache, one);
    });
    if (options.json) return printJson({ pins: readPins(cache).map(asJson) });
    if (!options.quiet) printLines(pins.map((one) => `pinned ${spoken(one)}`));
  });
}

function pinOf(cache: LocalCache, named: Named): Pin {
  const at = new Date().toISOString();
  if (named.what === 'run') {
    const { run, folder, started } = named.head;
    return { name: run, what: 'run', label: started.name, at, holds: [...namesIn(folder)] };
  }
  const { key, stage } = named;
  const read = cache.results.read(key);
  const digests = read && 'result' in read ? digestsOf(read.result) : [];
  return { name: key, what: 'result', label: stage, at, holds: [key, ...digests] };
}

export async function unpin(words: readonly string[], command: Command): Promise<void> {
  const options = command.optsWithGlobals<Options>();
  await withCache(options, async ({ cache, runsDir }) => {
    const all = readPins(cache);
    const names = words.flatMap(
      (word) =>
        pinsNamed(all, word) ?? namesOf(namedBy(cache, runsDir, [word], { run: options.run, runs: true })),
    );
    const missing = names.find((name) => !all.some((one) => one.name === name));
    if (missing !== undefined) {
      throw new UsageError(`${missing.slice(0, 24)} is not pinned`, '`cemiflow cache pins` lists what is.');
    }
    for (const name of names) await removePin(cache, name);
    if (options.json) return printJson({ pins: readPins(cache).map(asJson) });
    if (!options.quiet) {
      printLines(
        all.filter(({ name }) => names.includes(name)).map((one) => `no longer pinned: ${spoken(one)}`),
      );
    }
  });
}

/** A pin can be named when its run or result is not there any more. */
function pinsNamed(all: readonly Pin[], word: string): string[] | undefined {
  const found = all.filter(
    ({ name, label, what }) => name.startsWith(word) || (what === 'result' && label === word),
  );
  return word.length >= 4 && found.length > 0 ? found.map(({ name }) => name) : undefined;
}

const namesOf = (named: readonly Named[]) =>
  named.map((one) => (one.what === 'run' ? one.head.run : one.key));

export async function pins(command: Command): Promise<void> {
  const options = command.optsWithGlobals<CommonOptions>();
  await withCache(options, async ({ cache }) => {
    const all = readPins(cache);
    if (options.json) return printJson({ pins: all.map(asJson) });
    printLines(
      columns(
        all.map(({ what, name, label, at }) => [
          what,
          what === 'run' ? name : name.slice(0, 12),
          label,
          ago(Date.parse(at)),
        ]),
      ),
    );
    if (all.length === 0 && !options.quiet)
      process.stderr.write('nothing is pinned (cemiflow cache pin RUN)\n');
  });
}

const asJson = ({ what, name, label, at }: Pin) => ({ what, name, label, at });

const spoken = ({ what, name, label }: Pin) =>
  what === 'run' ? `run ${name} (${label})` : `${label} (${name.slice(0, 12)})`;
