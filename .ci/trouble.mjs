// Of a JSON report of vitest: the tests that failed, and those that passed only when run once more, as a busy machine is late now and then.
import { readFileSync } from 'node:fs';

const { testResults } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
for (const { name, message, assertionResults } of testResults) {
  // A file that could not even be loaded has a message of its own.
  if (message) console.log(`${name}\n${message}`);
  for (const { fullName, status, failureMessages = [] } of assertionResults)
    if (failureMessages.length > 0)
      console.log(
        `${status === 'passed' ? 'passed at the second attempt' : status}: ${fullName} (${name})\n` +
          failureMessages.map(inShort).join('\n'),
      );
}

/** Without the places in vitest itself. */
function inShort(text) {
  const lines = text.split('\n').filter((line) => !line.includes('/node_modules/'));
  return lines.slice(0, 20).join('\n');
}
