#!/usr/bin/env node
/** The program: does what the words ask for, and turns how it ended into an exit code. */
import { compileLate } from './compiler.js';
import { makeProgram } from './program.js';
import { sayTrouble } from './trouble.js';

compileLate();

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
  await makeProgram().parseAsync();
} catch (error) {
  process.exitCode = sayTrouble(error, process.stderr);
}
