/** What happens when something goes wrong: failure modes, retries, time-outs, signals, kills. Through the real command. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { mountDisk, temporaryFolder } from '../cache/rig.js';
import { Lab, lives, program, summaryOf, until } from './lab.js';

/** boom fails while slow is at work; free depends on neither. */
const trouble = `
  slow: { uses: ./fake.js, with: { hold: slow } }
  next: { uses: ./fake.js, inputs: { a: slow } }
  boom: { uses: ./fake.js, with: { hold: boom, fail: bug } }
  below: { uses: ./fake.js, inputs: { a: boom } }
  free: { uses: ./fake.js, with: { value: 7 } }
  alone: { uses: ./fake.js, after: [free], with: { value: 8 } }
`;

/** Runs it until boom has failed; then lets slow go on. */
async function failedRun(lab: Lab, ...words: string[]) {
  lab.write(trouble);
  const run = lab.start('run', 'x.yaml', '--json', '-j', '2', ...words);
  await Promise.all([lab.started('slow'), lab.started('boom')]);
  lab.go('boom');
  await run.says('boom failed');
  lab.go('slow');
  const said = await run;
  expect(said.exitCode).toBe(1);
  return summaryOf(said);
}

test('after a failure what runs is finished and nothing new is started', async () => {
  await using lab = Lab.create();
  const { status, stages } = await failedRun(lab);
  expect(status).toMatchObject({ slow: 'ok', boom: 'failed', below: 'skipped', next: 'skipped' });
  const errors = Object.fromEntries(stages.map(({ name, error }) => [name, error]));
  expect(errors).toMatchObject({ boom: 'x is not a function', below: 'boom failed', next: 'boom failed' });
});

test('with --keep-going only what depends on the failed stage is skipped', async () => {
  await using lab = Lab.create();
  const { status } = await failedRun(lab, '--keep-going');
  expect(status).toEqual({
    slow: 'ok',
    next: 'ok',
    boom: 'failed',
    below: 'skipped',
    free: 'ok',
    alone: 'ok',
  });
});

test('with --fail-fast what runs is cancelled, and has written its checkpoint', async () => {
  await using lab = Lab.create();
  lab.write(`
  slow: { uses: ./fake.js, with: { hold: slow } }
  boom: { uses: ./fake.js, with: { hold: boom, fail: bug } }
`);
  const run = lab.start('run', 'x.yaml', '--json', '--fail-fast');
  await Promise.all([lab.started('slow'), lab.started('boom')]);
  lab.go('boom');
  const { status, stages } = summaryOf(await run);
  expect(status).toEqual({ slow: 'cancelled', boom: 'failed' });
  expect(stages[0]!.error).toBe('boom failed');
  lab.go('slow');
  const again = await lab.cemiflow('run', 'x.yaml', '-v', '--until', 'slow');
  expect(again.stderr).toContain('slow | resumed from half way');
});

test('a failure ends with the last log lines, the log, and the line that resumes', async () => {
  await using lab = Lab.create();
  lab.write(`
  fine: { uses: ./fake.js, with: { value: 1 } }
  boom: { uses: ./fake.js, after: [fine], with: { fail: remedy } }
`);
  const { exitCode, stderr } = await lab.cemiflow('run', 'x.yaml', '--set', 'seed=3', '-f', 'fine');
  expect(exitCode).toBe(1);
  expect(stderr).toContain('boom failed: the moon is full\n  Wait for the new moon.\n');
  expect(stderr).not.toContain('at run (');
  expect(stderr).toMatch(/ {2}Its log: runs\/.+\/logs\/boom\.log\n/);
  // fine was forced, has ended, and must not be forced again.
  expect(stderr).toMatch(
    /1 finished stage is kept\. Resume: (npx cemiflow|node .+main\.js) run x\.yaml --set seed=3\n?$/,
  );
});

test('a bug in a stage leaves its stack in the log', async () => {
  await using lab = Lab.create();
  lab.write(`
  boom: { uses: ./fake.js, with: { fail: bug } }
`);
  await lab.cemiflow('run', 'x.yaml');
  const { stdout } = await lab.cemiflow('logs', 'boom');
  expect(stdout).toMatch(/TypeError: x is not a function\n\s+at run \(.*fake\.js/);
});

test('a stage over its time writes a checkpoint and has failed', async () => {
  await using lab = Lab.create();
  lab.write(`
  slow: { uses: ./fake.js, timeout: 1, with: { hold: slow } }
`);
  const { stages } = await lab.run();
  expect(stages[0]).toMatchObject({ status: 'failed', error: 'timed out after 1 s' });
  lab.go('slow');
  expect((await lab.cemiflow('run', 'x.yaml', '-v')).stderr).toContain('slow | resumed from half way');
});

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s: exit code 130 after a checkpoint; finished stages are kept, and a run resumes',
  async (signal) => {
    await using lab = Lab.create();
    lab.write(`
  fine: { uses: ./fake.js, with: { value: 1 } }
  slow: { uses: ./fake.js, inputs: { a: fine }, with: { hold: slow, value: 2 } }
  below: { uses: ./fake.js, inputs: { a: slow } }
`);
    const run = lab.start('run', 'x.yaml', '--json');
    const pid = await lab.started('slow');
    run.kill(signal);
    const said = await run;
    expect(said.exitCode).toBe(130);
    expect(summaryOf(said).status).toEqual({ fine: 'ok', slow: 'cancelled', below: 'skipped' });
    expect(said.stderr).toContain('interrupted: slow writes a checkpoint; once more to kill');
    expect(lives(pid)).toBe(false);
    expect((await lab.cemiflow('list')).stdout).toContain('interrupted');
    lab.go('slow');
    const again = await lab.cemiflow('run', 'x.yaml', '--json', '-v');
    expect(summaryOf(again).status).toEqual({ fine: 'cached', slow: 'ok', below: 'ok' });
    expect(again.stderr).toContain('slow | resumed from half way');
  },
);

test('a second Ctrl-C kills a stage that does not listen', async () => {
  await using lab = Lab.create();
  lab.write(`
  deaf: { uses: ./fake.js, with: { hold: deaf, deaf: true } }
`);
  const run = lab.start('run', 'x.yaml');
  const pid = await lab.started('deaf');
  run.kill('SIGINT');
  await run.says('once more to kill');
  run.kill('SIGINT');
  expect((await run).exitCode).toBe(130);
  expect(lives(pid)).toBe(false);
});

test('kill -9 of the engine: its stages end too, the run shows as interrupted, nothing half-written stays', async () => {
  await using lab = Lab.create();
  lab.write(`
  fine: { uses: ./fake.js, with: { value: 1 } }
  slow: { uses: ./fake.js, inputs: { a: fine }, with: { hold: slow, value: 2 } }
`);
  const run = lab.start('run', 'x.yaml');
  const pid = await lab.started('slow');
  run.kill('SIGKILL');
  await run;
  await until(() => !lives(pid), 'the stage has ended with its engine');
  const list = JSON.parse((await lab.cemiflow('list', '--json')).stdout) as { runs: { state: string }[] };
  expect(list.runs.map(({ state }) => state)).toEqual(['interrupted']);
  lab.go('slow');
  const again = await lab.run();
  expect(again.status).toEqual({ fine: 'cached', slow: 'ok' });
  expect(again.stages[1]!.metrics).toEqual({ sum: 3 });
  expect(readdirSync(lab.path('runs/cache/tmp'))).toEqual([]);
  expect(readdirSync(lab.path('runs/cache/locks'))).toEqual([]);
});

test('kill -9 of a stage: said with its likeliest cause; a run resumes', async () => {
  await using lab = Lab.create();
  lab.write(`
  slow: { uses: ./fake.js, with: { hold: slow, value: 2 } }
`);
  const run = lab.start('run', 'x.yaml');
  process.kill(await lab.started('slow'), 'SIGKILL');
  const { exitCode, stderr } = await run;
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(
    /slow failed: its process was killed \(SIGKILL\), having been seen with \S+ MiB\n {2}If nobody did that, memory ran out: lower its batch, or/,
  );
  lab.go('slow');
  expect((await lab.run()).status).toEqual({ slow: 'ok' });
});

test('a journal whose last line is torn is read up to there', async () => {
  await using lab = Lab.create();
  lab.write(`
  fine: { uses: ./fake.js, with: { value: 1 } }
`);
  const { run } = await lab.run();
  const file = lab.path('runs', run, 'journal.jsonl');
  const whole = readFileSync(file, 'utf8');
  writeFileSync(file, whole.slice(0, -20));
  const { stdout, exitCode } = await lab.cemiflow('show');
  expect(exitCode).toBe(0);
  expect(stdout).toContain(`test ${run}: interrupted`);
  expect(stdout).toMatch(/fine\s+fake\s+ok/);
});

test('a disk that is full says so, with what is free and what to do; nothing half-written stays, and a run resumes', async () => {
  await using lab = Lab.create();
  const disk = temporaryFolder();
  if (!mountDisk(disk, 'size=1m')) return;
  lab.write(`
  fine: { uses: ./fake.js, with: { value: 1 } }
  big:
    uses: command
    after: [fine]
    with: { run: "head -c 3000000 /dev/zero > \${{ outputs.out }}/zeros", outputs: { out: files } }
`);
  const full = await lab.cemiflow('run', 'x.yaml', '--runs-dir', `${disk}/runs`, '-k');
  expect(full.exitCode).toBe(1);
  expect(full.stderr).toMatch(/[Nn]o space left/);
  expect(full.stderr).toContain('Resume: ');
  expect(full.stderr).not.toMatch(/^ {4}at /m);
  const { status } = await lab.run(
    '--runs-dir',
    `${disk}/runs`,
    '--set',
    'stages.big.with.run=echo 1 > ${{ outputs.out }}/one',
  );
  expect(status).toEqual({ fine: 'cached', big: 'ok' });
});

/** A run on a disk of 3 MiB, that fills it; and what `run` says once there is room. */
async function onSmallDisk(lab: Lab, run: string) {
  const disk = temporaryFolder();
  if (!mountDisk(disk, 'size=3m')) return undefined;
  lab.write(`
  fine: { uses: ./fake.js, with: { value: 1 } }
  full:
    uses: command
    after: [fine]
    with:
      run: |
        test -e roomy || { ${run}; }
        echo 1 > \${{ outputs.out }}/it
      outputs: { out: files }
`);
  lab.environment['DISK'] = disk;
  const words = ['run', 'x.yaml', '--runs-dir', `${disk}/runs`];
  const full = await lab.cemiflow(...words);
  writeFileSync(lab.path('roomy'), '');
  rmSync(`${disk}/filler`, { force: true });
  execFileSync('mount', ['-o', 'remount,size=20m', disk]);
  const states = JSON.parse((await lab.cemiflow('list', '--json', '--runs-dir', `${disk}/runs`)).stdout) as {
    runs: { state: string }[];
  };
  const again = summaryOf(await lab.cemiflow(...words, '--json'));
  const left = readdirSync(`${disk}/runs/cache/tmp`);
  return { full, again, states: states.runs.map(({ state }) => state), left };
}

test.each([
  {
    what: 'log',
    run: 'echo $$ > "$STEER/full.started"; yes 0123456789abcdef | head -n 400000',
    says: 'cannot write the log of a stage: no space left on the disk of ',
  },
  {
    what: 'journal',
    run: 'echo $$ > "$STEER/full.started"; head -c 9000000 /dev/zero > "$DISK/filler" || true; seq 5000 | sed "s/.*/metric loss 1 &/"; sleep 1000',
    says: 'cannot record the run: no space left on the disk of ',
  },
])(
  'a disk that fills up with the $what: a clear end, nothing running, a run resumes',
  async ({ run, says }) => {
    await using lab = Lab.create();
    const ends = await onSmallDisk(lab, run);
    if (!ends) return;
    const { full, again, states, left } = ends;
    expect(full.exitCode).toBe(1);
    expect(full.stderr).toContain(says);
    expect(full.stderr).toContain('The finished stages are kept. Resume: ');
    expect(full.stderr).not.toMatch(/^ {4}at /m);
    const pid = await lab.started('full');
    await until(() => !lives(pid), 'the program has ended');
    expect(states).not.toContain('running');
    expect(again.status).toEqual({ fine: 'cached', full: 'ok' });
    expect(left).toEqual([]);
  },
);

test('a terminal that is closed: what runs saves its work, and the run is interrupted', async () => {
  await using lab = Lab.create();
  lab.write(`
  slow: { uses: ./fake.js, with: { hold: slow, value: 2 } }
`);
  // Runs the engine on a terminal of its own, and closes that once told to.
  writeFileSync(
    lab.path('terminal.py'),
    `import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
while not os.path.exists(os.environ['STEER'] + '/close'):
    time.sleep(0.02)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`,
  );
  const shell = execa('python3', ['terminal.py', process.execPath, program, 'run', 'x.yaml'], {
    cwd: lab.folder,
    env: lab.environment,
    reject: false,
  });
  await lab.started('slow');
  writeFileSync(lab.path('steer/close'), '');
  expect((await shell).stdout).toBe(String(-constants.signals.SIGHUP));
  expect((await lab.cemiflow('list')).stdout).toContain('interrupted');
  lab.go('slow');
  expect((await lab.cemiflow('run', 'x.yaml', '-v')).stderr).toContain('slow | resumed from half way');
});

test.each([
  {
    where: 'below a file',
    folder: 'x.yaml/runs',
    said: /a file is where .+x\.yaml\/runs needs a folder\n {2}Move it away/,
  },
  // Node would try for ever.
  ...(existsSync('/proc/self')
    ? [
        {
          where: 'in a folder that takes none',
          folder: '/proc/none',
          said: /no folder \/proc\/none can be made there\n {2}Keep/,
        },
      ]
    : []),
])('a runs folder $where is bad usage, said before anything runs', async ({ folder, said }) => {
  await using lab = Lab.create();
  lab.write(`
  fine: { uses: ./fake.js, with: { value: 1 } }
`);
  const { exitCode, stderr } = await lab.cemiflow('run', 'x.yaml', '--runs-dir', folder);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(new RegExp(`^cemiflow: cannot record the run: ${said.source}`));
});
