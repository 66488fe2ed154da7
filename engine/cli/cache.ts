/** `cemiflow cache`: what the cache holds, whether it is sound, what must stay, and results on their way to other machines. */
import { type Command, Option } from 'commander';
import { addCommon, jsonOption } from './options.js';

const results = `A STAGE is a stage's name, all its points, or one of them (samples@m=0), as the newest run has it that ran it (or --run).
A KEY is its first six digits or more (cemiflow cache ls).`;
const words = `
A RUN is its id, the beginning of it, its last four digits, or 'latest'. ${results}`;

const runOption = () => new Option('--run <run>', 'take stages as that run has them');

export function cacheVerb(program: Command): Command {
  const cache = program.command('cache').description('list, check, pin, remove, export and import results');
  const verb = (usage: string, description: string) =>
    addCommon(cache.command(usage).description(description).addOption(jsonOption()));
  verb('ls [stage...]', 'list results: last use, size, stage, kind, key')
    .addOption(
      new Option('--sort <by>', 'what comes first: the latest use, the largest size, or by name')
        .choices(['used', 'size', 'stage', 'kind'])
        .default('used'),
    )
    .option('--kind <kind>', 'only results of that kind of stage')
    .action(async (stages: string[], _: unknown, command: Command) =>
      (await import('./cache/ls.js')).ls(stages, command),
    );
  verb('verify', 'check artifacts against their digests, and move damaged ones away')
    .option('--all', 'read every byte; else only what looks changed since it was read last')
    .addHelpText(
      'after',
      '\nExit codes: 0 all is sound, 1 something was damaged and its stages will run again, 2 bad usage.',
    )
    .action(async (_: unknown, command: Command) => (await import('./cache/verify.js')).verify(command));
  verb('rm <stage|key...>', 'remove results, with the artifacts that are theirs alone')
    .addOption(runOption())
    .option('--all', 'every result of these stages, not only the newest')
    .option('-n, --dry-run', 'only say what would go')
    .addHelpText(
      'after',
      `\nWhat is pinned, or in use by a run that is going on, is refused, and then nothing is removed.\n${results}`,
    )
    .action(async (names: string[], _: unknown, command: Command) =>
      (await import('./cache/rm.js')).rm(names, command),
    );
  verb('pin <run|stage|key...>', 'keep a run or results whatever gc is told')
    .addOption(runOption())
    .addHelpText('after', words)
    .action(async (names: string[], _: unknown, command: Command) =>
      (await import('./cache/pins.js')).pin(names, command),
    );
  verb('unpin <run|stage|key...>', 'take pins away again')
    .addOption(runOption())
    .addHelpText('after', words)
    .action(async (names: string[], _: unknown, command: Command) =>
      (await import('./cache/pins.js')).unpin(names, command),
    );
  verb('pins', 'list what is pinned').action(async (_: unknown, command: Command) =>
    (await import('./cache/pins.js')).pins(command),
  );
  verb('export [run|stage|key...]', 'write results and all that made them into an archive')
    .requiredOption('-o, --output <file>', 'the archive: .tar, .tar.gz or .tgz; - is stdout')
    .addOption(runOption())
    .addHelpText(
      'after',
      `
Without a name, all results. The same results give the same bytes. On another machine, after \`cemiflow cache import\`, an experiment that
asks for these results finds them.
${words}`,
    )
    .action(async (names: string[], _: unknown, command: Command) =>
      (await import('./cache/archive.js')).exportVerb(names, command),
    );
  verb('import <archive>', 'take the results of an archive; - is stdin')
    .addHelpText(
      'after',
      `
Names, sizes, digests and keys are checked, and until all is, nothing is in the cache. Whether a result came of its stage cannot be
checked: import from whom you trust.`,
    )
    .action(async (file: string, _: unknown, command: Command) =>
      (await import('./cache/archive.js')).importVerb(file, command),
    );
  return cache;
}
