/** `command` stages: programs that know nothing of us. Through the real command. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Lab, lives, until } from './lab.js';

test('inputs and outputs are folders, metric lines are metrics, everything said is in the log', async () => {
  await using lab = Lab.create();
  writeFileSync(lab.path('photo.txt'), 'a face');
  lab.write(`
  three: { uses: ./fake.js, with: { value: 3 } }
  double:
    uses: command
    inputs: { number: three, photo: path:photo.txt }
    with:
      run: |
        echo "metric loss 0.5 1"
        echo "metric loss 0.25 2"
        echo "metric no-number x"
        echo to stderr >&2
        expr $(cat \${{ inputs.number }}/sum) '*' $FACTOR > \${{ outputs.twice }}/sum
        cp \${{ inputs.photo }} \${{ outputs.copy }}/
      outputs: { twice: files, copy: files }
      env: { FACTOR: "2" }
  six: { uses: ./fake.js, inputs: { a: double } }
`);
  const { status, stages } = await lab.run();
  expect(status).toEqual({ three: 'ok', double: 'ok', six: 'ok' });
  expect(stages[1]!.metrics).toEqual({ loss: 0.25 });
  expect(stages[2]!.metrics).toEqual({ sum: 6 });
  expect(readFileSync(join(stages[1]!.outputs['copy']!.path!, 'photo.txt'), 'utf8')).toBe('a face');
  const { events } = await lab.journal();
  expect(
    events.flatMap((event) =>
      event.type === 'metric' && event.stage === 'double' ? [[event.step, event.value]] : [],
    ),
  ).toEqual([
    [1, 0.5],
    [2, 0.25],
  ]);
  const log = (await lab.cemiflow('logs', 'double')).stdout;
  for (const line of ['metric loss 0.5 1', 'metric no-number x', 'to stderr'])
    expect(log.split('\n')).toContain(line);
});

test('numbers and booleans of env are texts to the program; a map is refused', async () => {
  await using lab = Lab.create();
  const stage = (env: string) =>
    lab.write(`
  it:
    uses: command
    matrix: { n: [4] }
    with: { run: 'echo "$OMP_NUM_THREADS $LR $DEBUG $ID $N" > \${{ outputs.out }}/env', outputs: { out: files }, env: ${env} }
`);
  stage(`{ OMP_NUM_THREADS: 4, LR: 1e-4, DEBUG: true, ID: "007", N: "\${{ matrix.n }}" }`);
  const { stages } = await lab.run();
  expect(readFileSync(join(stages[0]!.outputs['out']!.path!, 'env'), 'utf8')).toBe('4 0.0001 true 007 4\n');
  stage('{ A: { b: 1 }, C: null }');
  const { exitCode, stderr } = await lab.cemiflow('run', 'x.yaml');
  expect(exitCode).toBe(2);
  expect(stderr).toContain("'env.A' must be text or a number or true or false, not a map\n");
});

test('the content of code, env and the seed are in the key; its seed is in CEMIFLOW_SEED', async () => {
  await using lab = Lab.create();
  writeFileSync(lab.path('train.sh'), 'echo metric seed $CEMIFLOW_SEED; echo 1 > $1/model');
  lab.write(`
  train:
    uses: command
    with: { run: "sh train.sh \${{ outputs.model }}", outputs: { model: files }, code: [train.sh] }
`);
  expect((await lab.run('--seed', '3')).stages[0]!.metrics).toEqual({ seed: 3 });
  expect((await lab.run('--seed', '3')).status).toEqual({ train: 'cached' });
  expect((await lab.run('--seed', '4')).stages[0]!.metrics).toEqual({ seed: 4 });
  writeFileSync(lab.path('train.sh'), 'echo metric seed $CEMIFLOW_SEED; echo 2 > $1/model');
  expect((await lab.cemiflow('why', 'train', 'x.yaml', '--seed', '4')).stdout).toMatch(
    /^train runs\n {2}compared with its result of run \S+\n {2}program train\.sh: [0-9a-f]{8} -> [0-9a-f]{8} \(x\.yaml:\d+:\d+\)$/,
  );
  expect((await lab.run('--seed', '4')).status).toEqual({ train: 'ok' });
});

test.each([
  { run: 'false; true', error: 'the command ended with exit code 1', remedy: '' },
  { run: 'exit 3', error: 'the command ended with exit code 3', remedy: '' },
  {
    run: 'no-such-program',
    error: 'the command ended with exit code 127',
    remedy: 'The program was not found: install it, or give its path.',
  },
  {
    run: 'true',
    error: 'the command ended well, but did not make out',
    remedy: 'Let it write into ${{ outputs.out }}, a folder that exists.',
  },
  {
    run: 'echo tar: write error: No space left on device >&2; exit 2',
    error: 'the command ended with exit code 2',
    remedy:
      'Free some space (cemiflow gc removes results no recent run uses), or keep runs on another disk with --runs-dir.',
  },
  { run: 'kill -SEGV $$', error: 'its process was ended by SIGSEGV', remedy: '' },
])('`$run` has failed: $error', async ({ run, error, remedy }) => {
  await using lab = Lab.create();
  lab.write(`
  it: { uses: command, with: { run: "${run}", outputs: { out: files } } }
`);
  const { exitCode, stderr } = await lab.cemiflow('run', 'x.yaml');
  expect(exitCode).toBe(1);
  expect(stderr).toContain(`it failed: ${error}\n${remedy === '' ? '' : `  ${remedy}\n`}`);
});

const sleeper = `
  it:
    uses: command
    with:
      run: |
        test -e "$CEMIFLOW_CHECKPOINT/half" && echo resumed
        trap 'touch "$CEMIFLOW_CHECKPOINT/half"; exit 1' TERM
        echo $$ > "$STEER/it.started"
        while [ ! -e "$STEER/it.go" ]; do sleep 0.02; done
        echo done > \${{ outputs.out }}/it
      outputs: { out: files }
`;

test('Ctrl-C gives a program SIGTERM and time for a checkpoint, which it finds again', async () => {
  await using lab = Lab.create();
  lab.write(sleeper);
  const run = lab.start('run', 'x.yaml');
  await lab.started('it');
  run.kill('SIGINT');
  expect((await run).exitCode).toBe(130);
  lab.go('it');
  expect((await lab.cemiflow('run', 'x.yaml', '-v')).stderr).toContain('it | resumed');
});

test('kill -9 of the engine ends the program and all that it started', async () => {
  await using lab = Lab.create();
  lab.write(sleeper);
  const run = lab.start('run', 'x.yaml');
  const pid = await lab.started('it');
  run.kill('SIGKILL');
  await run;
  await until(() => !lives(pid), 'the program has ended with its engine');
});

test('what a program leaves running in the background is ended with it', async () => {
  await using lab = Lab.create();
  lab.write(`
  it:
    uses: command
    with:
      run: |
        sleep 1000 &
        echo $! > \${{ outputs.out }}/pid
      outputs: { out: files }
`);
  const { status, stages } = await lab.run();
  expect(status).toEqual({ it: 'ok' });
  const pid = Number(readFileSync(join(stages[0]!.outputs['out']!.path!, 'pid'), 'utf8'));
  await until(() => !lives(pid), 'the background program has ended');
});
