/** Which failures are tried again, and which are not. Through the real command. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { classOfError, failureOfDeath } from '../../../engine/run/failure.js';
import { Lab } from './lab.js';

/** A command that ends as `how` says until its third attempt. */
const shy = (how: string, retry = '{ times: 3, backoff: 0 }', more = '') => `
  shy:
    uses: command
    retry: ${retry}
    ${more}
    with:
      run: |
        n=$(cat "$CEMIFLOW_CHECKPOINT/n" 2>/dev/null || echo 0)
        echo $((n + 1)) > "$CEMIFLOW_CHECKPOINT/n"
        if [ $n -lt 2 ]; then
          ${how}
        fi
        echo done > \${{ outputs.out }}/it
      outputs: { out: files }
`;

async function attempts(lab: Lab) {
  const { events } = await lab.journal();
  return {
    started: events.filter(({ type }) => type === 'stage-started').length,
    after: events.flatMap((event) => (event.type === 'retrying' ? event.class : [])),
  };
}

test.each([
  { how: 'kill -KILL $$', on: 'memory' },
  { how: 'echo "MemoryError: Unable to allocate 9 TiB"; exit 1', on: 'memory' },
  { how: 'sh -c "kill -SEGV \\$\\$"', on: 'crash' },
  { how: 'echo "ConnectionError: Connection reset by peer" >&2; exit 1', on: 'io' },
  { how: 'exit 75', on: 'io' },
])('`$how` is a failure of class $on, and tried again', async ({ how, on }) => {
  await using lab = Lab.create();
  lab.write(shy(how));
  expect((await lab.run()).status).toEqual({ shy: 'ok' });
  expect(await attempts(lab)).toEqual({ started: 3, after: [on, on] });
});

test('a time-out is tried again; each attempt goes on from the checkpoint of the last', async () => {
  await using lab = Lab.create();
  lab.write(shy('sleep 1000', '{ times: 3, backoff: 0 }', 'timeout: 0.3'));
  expect((await lab.run()).status).toEqual({ shy: 'ok' });
  expect(await attempts(lab)).toEqual({ started: 3, after: ['timeout', 'timeout'] });
});

test('a Node stage out of memory is of class memory: V8 says so on its way down', async () => {
  await using lab = Lab.create();
  lab.environment['NODE_OPTIONS'] = '--max-old-space-size=60';
  lab.write(`
  hungry: { uses: ./fake.js, retry: { times: 1, backoff: 0 }, with: { fail: heap } }
`);
  const { stages } = await lab.run();
  expect(stages[0]!.error).toMatch(/^it ran out of memory/);
  expect(await attempts(lab)).toEqual({ started: 2, after: ['memory'] });
});

test('what would fail the same way again is not tried again, and it says why', async () => {
  await using lab = Lab.create();
  lab.write(shy('echo "ImportError: no module named torch" >&2; exit 1', '5'));
  const { exitCode, stderr } = await lab.cemiflow('run', 'x.yaml');
  expect(exitCode).toBe(1);
  expect(stderr).toContain(
    "It was not tried again, as that would come to the same (retry.on has memory, crash, timeout, io, and this is 'error').",
  );
  expect(await attempts(lab)).toEqual({ started: 1, after: [] });
});

test('on: [error] tries that again, too, but nothing else; what a stage explains never is', async () => {
  await using lab = Lab.create();
  lab.write(shy('exit 1', '{ times: 3, backoff: 0, on: [error] }'));
  expect((await lab.run()).status).toEqual({ shy: 'ok' });
  lab.write(shy('kill -KILL $$', '{ times: 3, backoff: 0, on: [error] }'));
  expect((await lab.run('--seed', '2')).status).toEqual({ shy: 'failed' });
  lab.write(`
  sure: { uses: ./fake.js, retry: { times: 3, backoff: 0, on: [error] }, with: { fail: remedy } }
`);
  expect((await lab.run()).status).toEqual({ sure: 'failed' });
  expect(await attempts(lab)).toEqual({ started: 1, after: [] });
});

test('times is how often; the result does not say at which attempt it came, and its key neither', async () => {
  await using lab = Lab.create();
  lab.write(shy('exit 75', '{ times: 1, backoff: 0 }'));
  const failed = await lab.run();
  expect(failed.status).toEqual({ shy: 'failed' });
  lab.write(shy('exit 75', '{ times: 9, backoff: 0 }'));
  const ok = await lab.run();
  expect(ok.status).toEqual({ shy: 'ok' });
  expect(ok.stages[0]!.key).toBe(failed.stages[0]!.key);
});

test('between two attempts it waits, and says how long; Ctrl-C ends the wait', async () => {
  await using lab = Lab.create();
  lab.write(shy('exit 75', '{ times: 2, backoff: 100 }'));
  const run = lab.start('run', 'x.yaml', '--json');
  await run.says('attempt 2 of 3 in ');
  run.kill('SIGINT');
  const { exitCode, stderr } = await run;
  expect(exitCode).toBe(130);
  const [, minutes, seconds] = /attempt 2 of 3 in (?:(\d+)m)?(\d+)s/.exec(stderr)!;
  const wait = Number(minutes ?? 0) * 60 + Number(seconds);
  expect(wait).toBeGreaterThanOrEqual(50);
  expect(wait).toBeLessThanOrEqual(150);
});

test('what a failed attempt had written is kept to be looked at, and is no result; it goes with the result', async () => {
  await using lab = Lab.create();
  lab.write(shy('echo half > ${{ outputs.out }}/it; exit 1', '0'));
  const { stderr } = await lab.cemiflow('run', 'x.yaml');
  const [, folder] = /What it had written: (runs\/cache\/failed\/[0-9a-f]{64})\n/.exec(stderr)!;
  expect(readFileSync(lab.path(folder!, 'out', 'it'), 'utf8')).toBe('half\n');
  expect((await lab.cemiflow('plan', 'x.yaml')).stdout).toMatch(/shy +run/);
  await lab.cemiflow('run', 'x.yaml');
  expect((await lab.run()).status).toEqual({ shy: 'ok' });
  expect(existsSync(lab.path(folder!))).toBe(false);
});

test.each([
  [{ signal: 'SIGKILL' }, '', 'memory'],
  [{ exitCode: 137 }, '', 'memory'],
  [
    { signal: 'SIGABRT' },
    'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory',
    'memory',
  ],
  [{ signal: 'SIGABRT' }, "terminate called after throwing an instance of 'std::bad_alloc'", 'memory'],
  [{ signal: 'SIGABRT' }, 'double free or corruption', 'crash'],
  [{ exitCode: 139 }, '', 'crash'],
  [{ exitCode: 141 }, '', 'error'],
  [{ exitCode: 1 }, 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB', 'memory'],
  [{ exitCode: 1 }, 'socket.gaierror: [Errno -3] Temporary failure in name resolution', 'io'],
  [{ exitCode: 1 }, 'OSError: [Errno 5] Input/output error', 'io'],
  [{ exitCode: 1 }, "KeyError: 'batch'", 'error'],
  [{ exitCode: 127 }, 'bash: train: command not found', 'error'],
  [{ originalMessage: 'spawn sh EAGAIN' }, '', 'io'],
] as const)('%j after %j is of class %s', (death, words, expected) => {
  expect(failureOfDeath(death, words, { peakBytes: 0, kernelKilled: false }).class).toBe(expected);
});

test('an error is classed by the code of its deepest cause, not by its words alone', () => {
  const reset = Object.assign(new Error('read failed'), { code: 'ECONNRESET' });
  expect(classOfError(new Error('cannot download', { cause: reset }))).toBe('io');
  expect(classOfError(new RangeError('Array buffer allocation failed'))).toBe('memory');
  expect(classOfError(Object.assign(new Error('no such file'), { code: 'ENOENT' }))).toBe('error');
  expect(classOfError('thrown text')).toBe('error');
});
