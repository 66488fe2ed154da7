/** A laptop that is closed while it works: engine and stages stand still together, for longer than any of their times. */
import { setTimeout as sleep } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { countdown } from '../../../engine/run/countdown.js';
import { Lab, until } from './lab.js';

const holds = (more: string) => `
  slow:
    uses: command
    ${more}
    with:
      run: |
        echo $$ > "$STEER/slow.started"
        while [ ! -e "$STEER/slow.go" ]; do sleep 0.02; done
        echo done > \${{ outputs.out }}/it
      outputs: { out: files }
`;

/** Stops them all, as a lid does; what it returns makes them go on. */
function suspend(...pids: number[]): () => void {
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  return () => {
    for (const pid of pids) process.kill(pid, 'SIGCONT');
  };
}

test('time that the machine slept does not count for a time-out, and a lease is still held', async () => {
  await using lab = Lab.create();
  lab.write(holds('timeout: 3'));
  const run = lab.start('run', 'x.yaml', '--json');
  const pid = await lab.started('slow');
  const wake = suspend(run.pid!, -pid);
  await sleep(4000);
  // Whoever wants the same meanwhile waits: its engine is not dead.
  const other = lab.start('run', 'x.yaml', '--json');
  await other.says('works on the same');
  wake();
  await sleep(300);
  lab.go('slow');
  const [first, second] = [await run, await other];
  expect([first.exitCode, second.exitCode]).toEqual([0, 0]);
  expect(JSON.parse(first.stdout).stages[0].status).toBe('ok');
  expect(JSON.parse(second.stdout).stages[0].status).toBe('cached');
});

test('time awake counts: what is over its time after all is ended', async () => {
  await using lab = Lab.create();
  lab.write(holds('timeout: 2'));
  const run = lab.start('run', 'x.yaml', '--json');
  const pid = await lab.started('slow');
  const wake = suspend(run.pid!, -pid);
  await sleep(1000);
  wake();
  expect(JSON.parse((await run).stdout).stages[0].error).toBe('timed out after 2 s');
});

test('a countdown ends after its time, and not once it was stopped', async () => {
  const over: string[] = [];
  const begun = performance.now();
  countdown(0.7, () => over.push('first'));
  const stop = countdown(0.1, () => over.push('stopped'));
  stop();
  await until(() => over.length > 0, 'it is over');
  expect(performance.now() - begun).toBeGreaterThanOrEqual(690);
  expect(over).toEqual(['first']);
});

test('Ctrl-Z stops the stages with the engine, fg lets all go on', async () => {
  await using lab = Lab.create();
  lab.write(holds(''));
  const run = lab.start('run', 'x.yaml', '--json');
  const pid = await lab.started('slow');
  const state = (of: number) => /^State:\s+(\w)/m.exec(readFileSync(`/proc/${of}/status`, 'utf8'))?.[1];
  run.kill('SIGTSTP');
  await until(() => state(run.pid!) === 'T' && state(pid) === 'T', 'both stand still');
  run.kill('SIGCONT');
  await until(() => state(run.pid!) !== 'T' && state(pid) !== 'T', 'both go on');
  lab.go('slow');
  expect((await run).exitCode).toBe(0);
});
