/** The whole command line: every verb with its words. */
import { Command } from 'commander';
import { startFolder, version } from './invocation.js';
import { addCommon, commonNames } from './options.js';
import { UsageError } from './trouble.js';
import { verbs } from './verbs.js';

export function makeProgram(): Command {
  const program = addCommon(new Command('cemiflow'))
    .description('Declarative experiment workflows for synthetic face recognition.')
    .version(version(), '-V, --version', 'print the version')
    .showHelpAfterError('(cemiflow --help lists what there is)')
    .exitOverride()
    .hook('preAction', (_, action) => {
      gatherCommon(program, action);
      const { directory } = action.optsWithGlobals<{ directory?: string }>();
      if (directory === undefined) {
        if (startFolder === '')
          throw new UsageError(
            'the folder this was started in is gone',
            'Go to one that is there (cd), or name one with -C.',
          );
        return;
      }
      try {
        process.chdir(directory);
      } catch (error) {
        throw new UsageError(`-C ${directory}: ${(error as Error).message}`);
      }
    })
    .addHelpText(
      'after',
      '\nExit codes: 0 ok, 1 a stage failed, 2 bad usage or an invalid file, 130 interrupted.',
    );
  for (const verb of verbs) addCommon(verb(program));
  return program;
}

/** What every verb knows may be said before it and after it; what is said last holds. */
function gatherCommon(program: Command, action: Command): void {
  for (let command = action; command !== program; command = command.parent!)
    for (const name of commonNames)
      if (command.getOptionValueSource(name) === 'cli' && program.getOptionValueSource(name) !== 'verb')
        program.setOptionValueWithSource(name, command.getOptionValue(name), 'verb');
}
