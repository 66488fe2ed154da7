// A program of a user's own, as a `command` stage runs it: twelve slow parts, each kept in the checkpoint folder it is given.
import { appendFileSync, copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const [input, output] = process.argv.slice(2);
const file = join(process.env.CEMIFLOW_CHECKPOINT, 'parts');
// Its process group: the attempt, as the engine knows it.
const group = readFileSync('/proc/self/stat', 'utf8').split(') ').at(-1).split(' ')[2];
const tell = (line) =>
  appendFileSync(
    join(process.env.CEMIFLOW_KILL_LOG, `${group}.jsonl`),
    `${JSON.stringify({ at: Date.now(), ...line })}\n`,
  );

// A torn last line is a part that was not finished.
const whole = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
tell({ stage: 'program', kind: 'command', checkpoint: process.env.CEMIFLOW_CHECKPOINT });
for (let part = whole.length; ; part++) {
  tell({ done: part, total: 12 });
  if (part === 12) break;
  await sleep(250);
  appendFileSync(file, `${part} of ${readdirSync(input).length} files\n`);
}
copyFileSync(file, join(output, 'parts'));
