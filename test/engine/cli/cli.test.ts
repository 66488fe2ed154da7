/** The command line as a user meets it: words, exit codes, JSON, screens. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { Lab, program } from '../run/lab.js';

const two = `
  top: { uses: ./fake.js, with: { value: 1 } }
  sum: { uses: ./fake.js, matrix: { v: [1, 2] }, inputs: { a: top }, with: { value: "\${{ matrix.v }}" } }
`;

const schemaOf = (name: string) =>
  new Ajv2020({ allowUnionTypes: true }).compile(
    JSON.parse(
      readFileSync(new URL(`../../../schemas/${name}.schema.json`, import.meta.url), 'utf8'),
    ) as object,
  );

test.each([
  { words: ['--help'], code: 0, out: /Commands:\n {2}init/ },
  { words: ['--version'], code: 0, out: /^\d+\.\d+\.\d+$/ },
  { words: ['run', '--help'], code: 0, out: /--keep-going/ },
  { words: ['rnu'], code: 2, err: /unknown command 'rnu'\n\(Did you mean run\?\)/ },
  { words: ['run', '--jbos', '2'], code: 2, err: /unknown option '--jbos'\n\(Did you mean --jobs\?\)/ },
  { words: ['run', '-j', '0'], code: 2, err: /'0' is invalid\. It must be at least 1\./ },
  { words: ['run', '--seed', '1.5'], code: 2, err: /'1\.5' is invalid\. It is no whole number\./ },
  {
    words: ['run', '--device', 'gpu'],
    code: 2,
    err: /Allowed choices are auto, tensorflow, webgpu, onnx, onnx-webgpu, wasm, cpu\./,
  },
  { words: ['run', '-k', '--fail-fast'], code: 2, err: /cannot be used with/ },
  { words: ['run', '--until', 'a', '--only', 'b'], code: 2, err: /cannot be used with/ },
  { words: ['run'], code: 2, err: /^cemiflow: name an experiment file: there is no experiment\.yaml here\n/ },
  { words: ['run', 'missing.yaml'], code: 2, err: /missing\.yaml/ },
  {
    words: ['run', 'x.yaml', '-f', 'tpo'],
    code: 2,
    err: /--force tpo: .+ has no stage of that name\n {2}Did you mean 'top'\?/,
  },
  { words: ['why', 'tpo', 'x.yaml'], code: 2, err: /Did you mean 'top'\?/ },
  { words: ['run', 'x.yaml', '--set', 'stages.top.with.valeu=1'], code: 2, err: /Did you mean 'value'\?/ },
  { words: ['show'], code: 2, err: /^cemiflow: there are no runs in .+\n {2}Run an experiment first/ },
  {
    words: ['schema', 'fr-trian'],
    code: 2,
    err: /there is no stage kind 'fr-trian'\n {2}Did you mean 'fr-train'\?/,
  },
  { words: ['-C', 'nowhere', 'list'], code: 2, err: /nowhere/ },
])('cemiflow $words ends with $code', async ({ words, code, out, err }) => {
  await using lab = Lab.create();
  lab.write(two);
  const { exitCode, stdout, stderr } = await lab.cemiflow(...words);
  expect({ exitCode, stderr: code === 0 ? stderr : '' }).toEqual({ exitCode: code, stderr: '' });
  if (out) expect(stdout).toMatch(out);
  if (err) {
    expect(stderr).toMatch(err);
    expect(stderr).not.toMatch(/^ {4}at /m);
  }
});

test('every JSON answer is one object as its schema has it', async () => {
  await using lab = Lab.create();
  lab.write(two);
  const json = async (...words: string[]) =>
    JSON.parse((await lab.cemiflow(...words, '--json')).stdout) as unknown;
  const answers = {
    plan: [await json('plan', 'x.yaml')],
    run: [await json('run', 'x.yaml'), await json('show')],
    compare: [await json('compare')],
    validate: [
      await json('validate', 'x.yaml'),
      await json('validate', 'x.yaml', '--set', 'stages.top.with.valeu=1'),
    ],
  };
  answers.plan.push(await json('plan', 'x.yaml', '--set', 'stages.top.with.value=3'));
  for (const [name, values] of Object.entries(answers)) {
    const valid = schemaOf(name);
    for (const value of values) expect(valid(value), JSON.stringify([name, valid.errors])).toBe(true);
  }
  expect(answers.plan[1]).toMatchObject({
    stages: [
      {
        name: 'top',
        kind: 'fake',
        status: 'run',
        key: expect.stringMatching(/^[0-9a-f]{64}$/),
        reasons: ['with.value: 1 -> 3'],
      },
      { name: 'sum@v=1', kind: 'fake', status: 'maybe', reasons: ['depends on top, which must run first'] },
      { name: 'sum@v=2', kind: 'fake', status: 'maybe', reasons: ['depends on top, which must run first'] },
    ],
  });
  expect(answers.validate[1]).toMatchObject({
    ok: false,
    errors: [{ file: '--set', line: 1, column: 23, origin: '--set stages.top.with.valeu=1' }],
  });
});

test('without a terminal a run is plain lines with times on stderr, the result is on stdout', async () => {
  await using lab = Lab.create();
  lab.write(two);
  const { stdout, stderr } = await lab.cemiflow('run', 'x.yaml', '-j', '1');
  const lines = stderr
    .replace(/\d{8}-\d{6}-[0-9a-f]{4}/g, 'RUN')
    .replace(/\d+(\.\d+)?s\b/g, 'Ns')
    .split('\n');
  expect(lines.map((line) => line.replace(/^\d\d:\d\d:\d\d /, 'TIME '))).toEqual([
    'TIME  test: run RUN, 3 stages: 1 to run, then 2 as needed',
    'TIME  top started',
    'TIME  ✔ top Ns  sum 1',
    'TIME  sum@v=1 started',
    'TIME  ✔ sum@v=1 Ns  sum 2',
    'TIME  sum@v=2 started',
    'TIME  ✔ sum@v=2 Ns  sum 3',
    'ok: 3 ran, in Ns',
  ]);
  expect(stdout).toMatch(/^Report: runs\/.+\/report\.html$/);
  const again = await lab.cemiflow('run', 'x.yaml', '-q');
  expect(again.stderr).toMatch(/^ok: 3 cached, in [\d.]+s$/);
});

test('-v tells reasons and log lines; -C and --runs-dir are followed; flags come before or after the verb', async () => {
  await using lab = Lab.create();
  lab.write(two);
  const { stderr } = await lab.cemiflow('-v', '-C', lab.folder, 'run', '--runs-dir', 'elsewhere', 'x.yaml');
  expect(stderr).toContain('  no earlier result');
  expect(stderr).toContain('top | the sum is 1');
  expect((await lab.cemiflow('list', '--runs-dir', lab.path('elsewhere'))).stdout).toContain('test');
  expect((await lab.cemiflow('list')).stdout).toBe('');
});

test('colour only where it is wanted', async () => {
  await using lab = Lab.create();
  lab.write(two);
  await lab.cemiflow('run', 'x.yaml');
  const plan = async (environment: Record<string, string>, ...words: string[]) => {
    Object.assign(lab.environment, environment);
    return (await lab.cemiflow('plan', 'x.yaml', ...words)).stdout.includes('\u001b[');
  };
  expect(await plan({ NO_COLOR: '' })).toBe(false);
  expect(await plan({ FORCE_COLOR: '1' })).toBe(true);
  expect(await plan({ FORCE_COLOR: '1' }, '--no-color')).toBe(false);
  expect(await plan({ FORCE_COLOR: '1', NO_COLOR: '1' })).toBe(false);
});

test('status, why, show, logs and dag say where an experiment stands', async () => {
  await using lab = Lab.create();
  lab.write(two);
  await lab.cemiflow('run', 'x.yaml');
  const said = async (...words: string[]) => (await lab.cemiflow(...words)).stdout;
  const [, run] = /^(\S+)/.exec(await said('list'))!;
  const changed = ['x.yaml', '--set', 'stages.top.with.value=3'];
  expect(await said('status', ...changed)).toMatch(/^top\s+run\s+with\.value: 1 -> 3\nsum@v=1\s+maybe/);
  expect(await said('why', 'top', ...changed)).toBe(
    `top runs\n  compared with its result of run ${run}\n  with.value: 1 -> 3 (--set stages.top.with.value=3)`,
  );
  expect(await said('why', 'x.yaml', 'sum@v=2')).toMatch(
    /^sum@v=2 is cached\n {2}made by run .+\n {2}input a: top\.out/,
  );
  expect(await said('show')).toMatch(/sum@v=2 +fake +ok +[\d.]+s +.+ +sum 3/);
  expect(await said('show', 'latest', 'top')).toMatch(
    /with:\n {2}value: 1\n(.|\n)+outputs:\n {2}out: files [0-9a-f]{12} runs/,
  );
  expect(await said('logs', 'top', '--tail', '2')).toMatch(/^the sum is 1\n--- ended well/);
  await lab.cemiflow('run', 'x.yaml');
  expect(await said('logs', 'top')).toContain('the sum is 1');
  expect(await said('dag', 'x.yaml', '--format', 'text')).toBe('top     fake\nsum ×2  fake  <- a: top');
  expect(await said('dag', 'x.yaml', '--points')).toMatch(
    /^graph TD\n {2}n0\["top<br\/>.+\n(.|\n)+n0 -->\|"a"\| n2$/,
  );
  expect(await said('dag', 'x.yaml', '--format', 'dot')).toContain('"top" -> "sum" [label="a"];');
});

test('why names the line of the file, and the source file of the stage, that changed', async () => {
  await using lab = Lab.create();
  writeFileSync(lab.path('base.yaml'), 'params: { v: 1 }\n');
  const file = (value: number) => `extends: base.yaml
profiles: { big: { params: { v: 5 } } }
stages:
  top: { uses: ./fake.js, with: { value: "\${{ params.v + ${value} }}" } }
`;
  writeFileSync(lab.path('x.yaml'), file(1));
  const { run } = await lab.run();
  const since = `compared with its result of run ${run}`;
  const why = async (...words: string[]) => (await lab.cemiflow('why', 'top', 'x.yaml', ...words)).stdout;
  writeFileSync(lab.path('x.yaml'), file(2));
  expect(await why()).toBe(
    `top runs\n  ${since}\n  with.value: 2 -> 3 (x.yaml:4:42, from params.v at base.yaml:1:14)`,
  );
  expect(await why('--profile', 'big')).toBe(
    `top runs\n  ${since}\n  with.value: 2 -> 7 (x.yaml:4:42, from params.v at x.yaml:2:33 in profile big)`,
  );
  writeFileSync(lab.path('x.yaml'), file(1));
  appendFileSync(lab.path('fake.js'), 'export const more = 1;\n');
  expect(await why()).toBe(`top runs\n  ${since}\n  code of fake: ./fake.js changed (fake.js)`);
  const { stdout } = await lab.cemiflow('why', 'top', 'x.yaml', '--set', 'resources.cpus=3', '--json');
  expect(JSON.parse(stdout)).toEqual({
    stages: [
      {
        name: 'top',
        status: 'run',
        reasons: [
          since,
          'code of fake: ./fake.js changed (fake.js)',
          'resources.cpus: 1 -> 3 (--set resources.cpus=3)',
        ],
      },
    ],
  });
});

test('what init writes is valid wherever it lies and whatever it is called; it is written over only if asked', async () => {
  await using lab = Lab.create();
  const { exitCode, stderr, stdout } = await lab.cemiflow('init');
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' });
  expect(stderr).toMatch(/^wrote experiment\.yaml\. Next: .+ run experiment\.yaml$/);
  expect((await lab.cemiflow('validate')).stdout).toBe(
    'experiment.yaml is valid: 3 stages, 7 with the points of their matrices',
  );
  const written = readFileSync(lab.path('experiment.yaml'), 'utf8');
  const schema = /^# yaml-language-server: \$schema=(\S+)$/m.exec(written)![1]!;
  expect(existsSync(lab.path(schema))).toBe(true);

  writeFileSync(lab.path('experiment.yaml'), 'mine');
  expect(await lab.cemiflow('init')).toMatchObject({
    exitCode: 2,
    stderr: 'cemiflow: experiment.yaml is there already\n  Give another name, or --force to write over it.',
  });
  expect((await lab.cemiflow('init', '--stdout')).stdout).toBe(written.trimEnd());
  expect(readFileSync(lab.path('experiment.yaml'), 'utf8')).toBe('mine');
  expect((await lab.cemiflow('init', '--force', '-q')).stderr).toBe('');
  expect(readFileSync(lab.path('experiment.yaml'), 'utf8')).toBe(written);

  for (const name of ['deep/er/2026.yml', 'true.yaml', '.yaml', 'a b.yaml']) {
    expect((await lab.cemiflow('init', name)).exitCode).toBe(0);
    expect(await lab.cemiflow('validate', name)).toMatchObject({ exitCode: 0, stderr: '' });
  }
  expect(await lab.cemiflow('init', 'notes.txt')).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('cemiflow init notes.txt.yaml'),
  });
  // Replicas of what init proposes, as its comment says: the baseline is that of all seeds.
  expect((await lab.cemiflow('validate', '--set', 'stages.fr.seeds=[1,2]')).exitCode).toBe(0);
});

test('what init writes runs, here with few people and too few steps', async () => {
  await using lab = Lab.create();
  await lab.cemiflow('init');
  const small = ['params.identities=8', 'stages.faces.with.verification={identities: 40, pairs: 100}'];
  const quick = ['stages.fr.with.steps=3', 'stages.score.with.onCollapse=warn'];
  const words = [...small, ...quick].flatMap((one) => ['--set', one]);
  const { exitCode, stdout, stderr } = await lab.cemiflow('run', '--json', ...words);
  expect(exitCode, stderr).toBe(0);
  const { stages } = JSON.parse(stdout) as { stages: { name: string; metrics: Record<string, number> }[] };
  expect(stages).toHaveLength(7);
  for (const { name, metrics } of stages)
    if (name.startsWith('score')) expect(metrics['avg/accuracy']).toBeGreaterThan(0.3);
});

test('schema lists the kinds, and every setting of one with type, default and meaning', async () => {
  await using lab = Lab.create();
  expect((await lab.cemiflow('schema')).stdout).toMatch(/^command +runs any program/m);
  const { stdout } = await lab.cemiflow('schema', 'command');
  expect(stdout).toMatch(/^ {2}run {2}string {2}required\n {6}What to run/m);
  expect(stdout).toMatch(/^ {2}code {2}list of string {2}default \[\]/m);
  const json = JSON.parse((await lab.cemiflow('schema', 'command', '--json')).stdout) as { title: string };
  expect(json.title).toBe('CommandSettings');
  expect(stdout).toMatch(/^outputs:\n {2}\(any name\) {2}as with\.outputs says$/m);
});

test('schema says each output of a kind and its type, and which setting it depends on', async () => {
  await using lab = Lab.create();
  const { stdout } = await lab.cemiflow('schema', 'faces-import');
  expect(stdout).toMatch(/^outputs:\n {2}images +images {2,}The faces/m);
  expect(stdout).toMatch(/^ {2}ledger +result {2,}What became/m);
  expect(stdout).toMatch(/^ {2}inquiry +images, where split\.inquiry says so {2,}One picture/m);
});

test('doctor names every device, and for each that does not work a line that mends it', async () => {
  await using lab = Lab.create();
  const { exitCode, stdout } = await lab.cemiflow('doctor', '--json');
  expect(exitCode).toBe(0);
  const { devices, node } = JSON.parse(stdout) as {
    node: string;
    devices: { name: string; works: boolean; remedy?: string }[];
  };
  expect(node).toBe(process.version);
  expect(devices.map(({ name }) => name)).toEqual([
    'tensorflow',
    'webgpu',
    'onnx',
    'onnx-webgpu',
    'wasm',
    'cpu',
  ]);
  for (const { works, remedy } of devices) expect(works || (remedy ?? '') !== '').toBe(true);
  expect(devices.at(-1)!.works).toBe(true);
});

test('a reader that closes stdout early is no trouble', async () => {
  await using lab = Lab.create();
  lab.write(two);
  const { exitCode, stderr } = await execa(
    'sh',
    ['-c', `"$0" "$1" schema fr-train | head -n 1`, process.execPath, program],
    {
      cwd: lab.folder,
      reject: false,
    },
  );
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
});

test('started in a folder that is gone it says so', async () => {
  await using lab = Lab.create();
  const there = (words: string) =>
    execa(
      'sh',
      ['-c', `mkdir gone && cd gone && rmdir ../gone && "$0" "$1" ${words}`, process.execPath, program],
      {
        cwd: lab.folder,
        reject: false,
      },
    );
  expect(await there('list')).toMatchObject({
    exitCode: 2,
    stderr:
      'cemiflow: the folder this was started in is gone\n  Go to one that is there (cd), or name one with -C.',
  });
  expect(await there(`-C ${lab.folder} list`)).toMatchObject({ exitCode: 0, stderr: '' });
});

test('starting up loads commander and little else: no parser, no validator, no process library', async () => {
  await using lab = Lab.create();
  expect(await lab.packagesLoadedBy('--help')).toEqual(['commander', 'fastest-levenshtein', 'picocolors']);
});
