#!/usr/bin/env node
/** The command line: finds the verb, loads its file, and turns how it ended into an exit code. */
import { Command } from 'commander';
import { version } from './invocation.js';
import { addCommon } from './options.js';
import { sayTrouble, UsageError } from './trouble.js';
import { verbs } from './verbs.js';

const program = addCommon(new Command('cemiflow'))
  .description('Declarative experiment workflows for synthetic face recognition.')
  .version(version(), '-V, --version', 'print the version')
  .showHelpAfterError('(cemiflow --help lists what there is)')
  .exitOverride()
  .hook('preAction', (_, action) => {
    const { directory } = action.optsWithGlobals<{ directory?: string }>();
    if (directory === undefined) return;
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

// A reader that has seen enough (head, less) closes the pipe, and a terminal may be closed (EIO): that is no trouble. A run goes on
// without its audience.
let hungUp = false;
const isGone = ({ code }: NodeJS.ErrnoException) => {
  hungUp ||= code === 'EIO';
  return code === 'EPIPE' || code === 'EIO';
};
process.stdout.on('error', (error) => {
  if (!isGone(error)) throw error;
  process.exit();
});
process.stderr.on('error', (error) => {
  if (!isGone(error)) throw error;
});
// Node puts the terminal back to how it was as its last act, and aborts where there is none any more.
process.on('exit', () => {
  if (!hungUp) return;
  // Libraries that mind the cursor listen, too.
  process.removeAllListeners('SIGHUP');
  process.kill(process.pid, 'SIGHUP');
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = sayTrouble(error, process.stderr);
}
