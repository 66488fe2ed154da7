/** Programs that do what no program should: each has a defined end, and nothing of it is left. Through the real command. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { logFile } from '../../../engine/journal/run-folder.js';
import { Lab, lives, until } from './lab.js';

/** One command stage `it`; `run` is its script, OUT its output's folder. */
const command = (run: string, more = '') => `
  it:
    uses: command
    ${more}
    with:
      run: |
        OUT=\${{ outputs.out }}
${run
  .trim()
  .split('\n')
  .map((line) => `        ${line.trim()}`)
  .join('\n')}
      outputs: { out: files }
`;

const done = 'echo done > $OUT/it';

async function log(lab: Lab): Promise<string> {
  const [name] = readdirSync(lab.path('runs'))
    .filter((name) => name.startsWith('2'))
    .sort()
    .slice(-1);
  return readFileSync(logFile(lab.path('runs', name!), 'it'), 'utf8');
}

/** The pid that a program wrote into the steering folder. */
async function pidOf(lab: Lab, name: string): Promise<number> {
  return lab.started(name);
}

test('a program that prints without end fills neither the memory nor the disk; its first and last lines are kept', async () => {
  await using lab = Lab.create();
  lab.write(
    command(`
      echo the first line
      yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -n 845000 || true
      echo the last line
      ${done}`),
  );
  expect((await lab.run()).status).toEqual({ it: 'ok' });
  const text = await log(lab);
  expect(text.length).toBeLessThan(17 * 1024 * 1024);
  expect(text).toContain('\nthe first line\n');
  expect(text).toMatch(/\nthe last line\n--- ended well/);
  const cuts = [...text.matchAll(/^--- ([\d.]+) MiB of output left out here$/gm)];
  expect(cuts.length).toBe(1);
  expect(Number(cuts[0]![1]) + text.length / 1024 ** 2).toBeCloseTo((845_000 * 71) / 1024 ** 2, 0);
  // Whole lines on both sides of what is gone.
  const [before, after] = text.split(cuts[0]![0]) as [string, string];
  expect(before.trimEnd().split('\n').at(-1)).toMatch(/^(0123456789){7}$/);
  expect(after.trimStart().split('\n')[0]).toMatch(/^(0123456789){7}$/);
});

test('who follows a log that is shortened meanwhile sees its end', async () => {
  await using lab = Lab.create();
  lab.write(
    command(`
      echo $$ > "$STEER/it.started"
      while [ ! -e "$STEER/it.go" ]; do sleep 0.02; done
      yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -n 300000 || true
      while [ ! -e "$STEER/end.go" ]; do sleep 0.02; done
      echo the last line
      ${done}`),
  );
  const run = lab.start('run', 'x.yaml', '--json');
  await lab.started('it');
  const follower = lab.start('logs', 'it', '--follow');
  const seen = { text: '' };
  follower.stdout.on('data', (piece: Buffer) => (seen.text += piece.toString()));
  await until(() => seen.text.includes('attempt 1'), 'it follows');
  lab.go('it');
  await until(() => seen.text.includes('--- some of it was left out here'), 'the shorter log is followed');
  lab.go('end');
  expect((await run).exitCode).toBe(0);
  await follower;
  expect(seen.text).toContain('\nthe last line\n--- ended well');
});

test('one line without an end is cut', async () => {
  await using lab = Lab.create();
  lab.write(
    command(`
      head -c 20000000 /dev/zero | tr '\\0' x
      echo
      printf unfinished
      ${done}`),
  );
  expect((await lab.run()).status).toEqual({ it: 'ok' });
  const lines = (await log(lab)).split('\n');
  expect(
    lines.some((line) => /^x{65536}… \(19934464 more characters of this line left out\)$/.test(line)),
  ).toBe(true);
  expect(lines).toContain('unfinished');
});

test('bytes that are no text come to no harm: in the log, on the screen, around a metric', async () => {
  await using lab = Lab.create();
  lab.write(
    command(`
      printf '\\377\\376\\000\\007\\033[2J binary\\n'
      printf 'progress 10%%\\rprogress 20%%\\rmetric loss 0.5\\r\\n'
      printf 'metric other 1\\000\\n'
      head -c 100000 /dev/urandom
      echo
      exit 3`),
  );
  const { stderr } = await lab.cemiflow('run', 'x.yaml', '-v');
  expect(stderr).not.toContain('\u001b');
  expect(stderr).not.toContain('\u0007');
  expect(stderr).toContain('it | \uFFFD\uFFFD\uFFFD\uFFFD binary');
  const text = await log(lab);
  expect(text).toContain('\nprogress 10%\nprogress 20%\nmetric loss 0.5\n');
  expect(text).not.toContain('\0');
  const { events } = await lab.journal();
  expect(events.flatMap((event) => (event.type === 'metric' ? event.name : []))).toEqual(['loss']);
});

test('a program that closes its output goes on, and ends well', async () => {
  await using lab = Lab.create();
  lab.write(command(`exec >&- 2>&-\nsleep 0.2\n${done}`));
  expect((await lab.run()).status).toEqual({ it: 'ok' });
});

test('a metric told a hundred thousand times is kept whole', async () => {
  await using lab = Lab.create();
  lab.write(command(`seq 100000 | sed 's/.*/metric loss & &/'\n${done}`));
  const { stages } = await lab.run();
  expect(stages[0]!.metrics).toEqual({ loss: 100_000 });
  const { events } = await lab.journal();
  const told = events.filter(({ type }) => type === 'metric').length;
  expect(told).toBe(100_000);
  expect(events.filter(({ type }) => type === 'warning')).toEqual([]);
});

test('a metric that is no number is a warning, a word beside it is not, and steps are integers however they are written', async () => {
  await using lab = Lab.create();
  lab.write(
    command(`
      for line in 'loss NaN 5' 'loss -inf' 'names are words' 'loss 0.5 12.0' 'loss 1e-3 -1' 'loss 1 1.5'; do echo "metric $line"; done
      ${done}`),
  );
  expect((await lab.run()).stages[0]!.metrics).toEqual({ loss: 0.001 });
  const { events } = await lab.journal();
  expect(events.flatMap((event) => (event.type === 'metric' ? [[event.value, event.step]] : []))).toEqual([
    [0.5, 12],
    [0.001, -1],
  ]);
  expect(events.flatMap((event) => (event.type === 'warning' ? event.text : []))).toEqual([
    'metric loss is NaN',
    'metric loss is -Infinity',
  ]);
});

test('a failure before a pipe is a failure: what could not be imported does not end well through tee', async () => {
  await using lab = Lab.create();
  lab.write(command(`python3 -c 'import no_such_module' 2>&1 | tee $OUT/log`));
  const { exitCode, stderr } = await lab.cemiflow('run', 'x.yaml');
  expect(exitCode).toBe(1);
  expect(stderr).toContain('it failed: the command ended with exit code 1\n');
  expect(stderr).toMatch(/ {2}\| .*no_such_module/);
  expect(stderr).toMatch(/What it had written: runs\/cache\/failed\/[0-9a-f]+\n/);
});

test('an output that links to a place outside is refused, and kept to be looked at', async () => {
  await using lab = Lab.create();
  writeFileSync(lab.path('outside'), 'secret');
  lab.write(command(`ln -s ${lab.path('outside')} $OUT/link`));
  const { exitCode, stderr } = await lab.cemiflow('run', 'x.yaml');
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/it failed: .*link/);
  expect(stderr).toContain('What it had written: ');
  expect(readdirSync(lab.path('runs/cache')).includes('objects')).toBe(false);
});

const deaf = `
  trap '' TERM INT HUP
  sh -c 'trap "" TERM; echo $$ > "$STEER/below.started"; while :; do sleep 0.05; done' &
  echo $$ > "$STEER/it.started"
  while :; do sleep 0.05; done`;

test('a program that ignores SIGTERM is killed after the grace, with all below it', async () => {
  await using lab = Lab.create();
  lab.write(command(deaf));
  const run = lab.start('run', 'x.yaml', '--grace', '0.5');
  const pids = [await pidOf(lab, 'it'), await pidOf(lab, 'below')];
  run.kill('SIGTERM');
  expect((await run).exitCode).toBe(130);
  expect(pids.map(lives)).toEqual([false, false]);
});

test('and so is one that is over its time', async () => {
  await using lab = Lab.create();
  lab.write(command(deaf, 'timeout: 0.5'));
  const { exitCode, stderr } = await lab.cemiflow('run', 'x.yaml', '--grace', '0.2s');
  expect(exitCode).toBe(1);
  expect(stderr).toContain('it failed: timed out after 0.5 s\n');
  expect([await pidOf(lab, 'it'), await pidOf(lab, 'below')].map(lives)).toEqual([false, false]);
});

test('what a script runs has its grace, although the shell ends at once', async () => {
  await using lab = Lab.create();
  writeFileSync(
    lab.path('train.py'),
    `import os, signal, sys, time
def save(*_):
    time.sleep(0.4)
    open(os.environ['CEMIFLOW_CHECKPOINT'] + '/half', 'w').write('half')
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
open(os.environ['STEER'] + '/it.started', 'w').write(str(os.getpid()))
time.sleep(1000)
`,
  );
  lab.write(command(`test -e "$CEMIFLOW_CHECKPOINT/half" || python3 train.py\n${done}`));
  const run = lab.start('run', 'x.yaml', '--json');
  const pid = await pidOf(lab, 'it');
  run.kill('SIGINT');
  expect((await run).exitCode).toBe(130);
  expect(lives(pid)).toBe(false);
  expect((await lab.run()).status).toEqual({ it: 'ok' });
});

test('a program that ends well on SIGTERM has not made its result', async () => {
  await using lab = Lab.create();
  lab.write(
    command(`
      trap 'echo half > $OUT/it; exit 0' TERM
      echo $$ > "$STEER/it.started"
      while :; do sleep 0.05; done`),
  );
  const run = lab.start('run', 'x.yaml', '--json');
  await pidOf(lab, 'it');
  run.kill('SIGINT');
  expect((await run).exitCode).toBe(130);
  expect((await lab.cemiflow('plan', 'x.yaml')).stdout).toMatch(/^it +run/m);
});

test('a daemon that left the process group, and holds the pipe, neither outlives its stage nor keeps it from ending', async () => {
  await using lab = Lab.create();
  lab.write(
    command(`
      setsid sh -c 'echo $$ > "$STEER/daemon.started"; while :; do sleep 0.05; done' &
      while [ ! -s "$STEER/daemon.started" ]; do sleep 0.02; done
      ${done}`),
  );
  expect((await lab.run()).status).toEqual({ it: 'ok' });
  const pid = await pidOf(lab, 'daemon');
  await until(() => !lives(pid), 'the daemon has ended');
});

test('a daemon with an output of its own is ended with the run', async () => {
  await using lab = Lab.create();
  lab.write(
    command(`
      setsid sh -c 'echo $$ > "$STEER/daemon.started"; while :; do sleep 0.05; done' >/dev/null 2>&1 </dev/null &
      while [ ! -s "$STEER/daemon.started" ]; do sleep 0.02; done
      ${done}`),
  );
  expect((await lab.run()).status).toEqual({ it: 'ok' });
  const pid = await pidOf(lab, 'daemon');
  await until(() => !lives(pid), 'the daemon has ended');
});

test('kill -9 of the engine ends what its stage started in the background, too', async () => {
  await using lab = Lab.create();
  lab.write(
    command(`
      sh -c 'echo $$ > "$STEER/below.started"; while :; do sleep 0.05; done' &
      echo $$ > "$STEER/it.started"
      wait`),
  );
  const run = lab.start('run', 'x.yaml');
  const pids = [await pidOf(lab, 'it'), await pidOf(lab, 'below')];
  run.kill('SIGKILL');
  await run;
  await until(() => !pids.some(lives), 'all have ended with the engine');
  expect((await lab.cemiflow('list')).stdout).toContain('interrupted');
});

test('what leaves its session outlives a killed engine: status names it, and the next run ends it, and nothing of another folder', async () => {
  await using lab = Lab.create();
  const daemon = (name: string) =>
    `setsid sh -c 'echo $$ > "$STEER/${name}.started"; while :; do sleep 0.05; done' >/dev/null 2>&1 </dev/null &
      while [ ! -e "$STEER/${name}.go" ]; do sleep 0.02; done
      ${done}`;
  const left = async (name: string, ...words: string[]) => {
    lab.write(command(daemon(name)));
    const run = lab.start('run', 'x.yaml', ...words);
    const pid = await pidOf(lab, name);
    run.kill('SIGKILL');
    await run;
    return pid;
  };
  const [pid, other] = [await left('one'), await left('two', '--runs-dir', 'elsewhere')];
  try {
    expect([pid, other].map(lives)).toEqual([true, true]);
    const { stderr } = await lab.cemiflow('status', 'x.yaml');
    expect(stderr).toMatch(
      new RegExp(
        `^left behind: process ${pid} \\(sh -c .+\\) of run \\d{8}-\\d{6}-....; the next run .+ ends it\n`,
      ),
    );
    lab.write('  it: { uses: ./fake.js, with: { value: 1 } }\n');
    expect((await lab.cemiflow('run', 'x.yaml')).stderr).toMatch(
      new RegExp(`! ended process ${pid} \\(sh -c .+\\) of run .+, whose engine was killed\n`),
    );
    expect([pid, other].map(lives)).toEqual([false, true]);
    expect((await lab.cemiflow('status', 'x.yaml')).stderr).not.toContain('left behind');
  } finally {
    if (lives(other)) process.kill(other, 'SIGKILL');
  }
});

test('an outside file that changes while the stage reads it: the result is not kept', async () => {
  await using lab = Lab.create();
  writeFileSync(lab.path('photo'), 'before');
  const stages = `
  it:
    uses: command
    inputs: { photo: path:photo }
    with:
      run: |
        echo $$ > "$STEER/it.started"
        while [ ! -e "$STEER/it.go" ]; do sleep 0.02; done
        cp \${{ inputs.photo }} \${{ outputs.out }}/
      outputs: { out: files }
`;
  lab.write(stages);
  const run = lab.start('run', 'x.yaml');
  await lab.started('it');
  writeFileSync(lab.path('photo'), 'after!');
  lab.go('it');
  const { exitCode, stderr } = await run;
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/it failed: .+\/photo changed while the stage ran\n {2}Run it again/);
  const { status, stages: made } = await lab.run();
  expect(status).toEqual({ it: 'ok' });
  expect(readFileSync(join(made[0]!.outputs['out']!.path, 'photo'), 'utf8')).toBe('after!');
});

test('a stage that writes into its input fails; where nothing can stop it (root), the artifact is made again', async () => {
  await using lab = Lab.create();
  lab.write(`
  top: { uses: ./fake.js, with: { value: 1 } }
  vandal:
    uses: command
    inputs: { a: top }
    with: { run: "echo 99 > \${{ inputs.a }}/sum; echo 1 > \${{ outputs.out }}/it", outputs: { out: files } }
  reader: { uses: ./fake.js, inputs: { a: top }, after: [vandal] }
`);
  const { status, stages } = await lab.run('-k');
  expect(status).toEqual({ top: 'ok', vandal: 'failed', reader: 'skipped' });
  expect(stages[1]!.error).toMatch(/wrote into its input a|exit code 1/);
  const again = await lab.run('--until', 'top');
  expect(readFileSync(join(again.stages[0]!.outputs['out']!.path, 'sum'), 'utf8')).toBe('1');
});

test('many files are a result like any other', async () => {
  await using lab = Lab.create();
  lab.write(command(`cd $OUT\nseq 5000 | xargs touch\necho 1 > 1`));
  const { stages } = await lab.run();
  expect(readdirSync(stages[0]!.outputs['out']!.path).length).toBe(5000);
  expect(statSync(stages[0]!.outputs['out']!.path).mode & 0o222).toBe(0);
  expect(existsSync(lab.path('runs/cache/failed'))).toBe(false);
});
