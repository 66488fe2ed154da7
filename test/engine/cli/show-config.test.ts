/** `show --config`: each value of an experiment, and where it came from. */
import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Lab } from '../run/lab.js';

function experimentLab(): Lab {
  const lab = Lab.create();
  writeFileSync(
    lab.path('base.yaml'),
    'params: { v: 1, w: 2, deep: { x: "${{ params.v + 1 }}" } }\nstages:\n  top: { uses: ./fake.js, with: { value: "${{ params.deep.x }}" } }\n',
  );
  writeFileSync(
    lab.path('x.yaml'),
    `extends: base.yaml
profiles:
  big: { params: { v: 7 } }
stages:
  sum:
    uses: ./fake.js
    matrix: { m: { from: 1, to: 8, step: 1 } }
    seeds: [5, 6]
    inputs: { a: top }
    with: { value: "\${{ matrix.m + params.w }}", constant: true }
`,
  );
  return lab;
}

test('of a file: line and column, extended file, profile, --set, default; what expressions come to', async () => {
  await using lab = experimentLab();
  const words = ['show', '--config', 'x.yaml', '--profile', 'big', '--set', 'params.w=9', '--seed', '3'];
  const { stdout, stderr, exitCode } = await lab.cemiflow(...words);
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
    ['params.v', '7', 'x.yaml:3:23 in profile big'],
    ['params.w', '9', '--set params.w=9'],
    [
      'params.deep.x',
      '${{ params.v + 1 }} = 8',
      'base.yaml:1:34, from params.v at x.yaml:3:23 in profile big',
    ],
    ['stages.top.uses', './fake.js', 'base.yaml:3:16'],
    [
      'stages.top.with.value',
      '${{ params.deep.x }} = 8',
      'base.yaml:3:42, from params.deep.x at base.yaml:1:34, from params.v at x.yaml:3:23 in profile big',
    ],
    ['stages.top.with.constant', 'false', 'default of fake'],
    ['stages.top.with.deaf', 'false', 'default of fake'],
    ['stages.sum.uses', './fake.js', 'x.yaml:6:11'],
    ['stages.sum.matrix.m.from', '1', 'x.yaml:7:26'],
    ['stages.sum.matrix.m.to', '8', 'x.yaml:7:33'],
    ['stages.sum.matrix.m.step', '1', 'x.yaml:7:42'],
    ['stages.sum.seeds', '[5,6]', 'x.yaml:8:13'],
    ['stages.sum.inputs.a', 'top', 'x.yaml:9:18'],
    [
      'stages.sum.with.value',
      '${{ matrix.m + params.w }} = 10, 11, 12, 13, 14, ... (8)',
      'x.yaml:10:20, from matrix.m at x.yaml:7:26, from params.w at --set params.w=9',
    ],
    ['stages.sum.with.constant', 'true', 'x.yaml:10:60'],
    ['stages.sum.with.deaf', 'false', 'default of fake'],
    ['seed', '3', '--seed 3'],
  ]);
});

test('of a stage or one point, of a run, in JSON; and what goes together with what', async () => {
  await using lab = experimentLab();
  const point = await lab.cemiflow('show', '--config', 'x.yaml', 'sum@m=2,seed=6');
  expect(point.stdout).toContain('${{ matrix.m + params.w }} = 4 ');
  expect(point.stdout).not.toContain('stages.top');
  const { stdout } = await lab.cemiflow('show', '--config', 'x.yaml', 'top', '--json');
  const { values } = JSON.parse(stdout) as { values: unknown[] };
  expect(values.slice(0, 3)).toEqual([
    {
      path: 'stages.top.uses',
      value: './fake.js',
      place: { file: lab.path('base.yaml'), line: 3, column: 16, origin: 'extends base.yaml' },
      from: [],
    },
    expect.objectContaining({ path: 'stages.top.with.value', computed: [2] }),
    { path: 'stages.top.with.constant', value: false, default: 'fake' },
  ]);
  await lab.run('--only', 'top');
  const kept = await lab.cemiflow('show', '--config', 'latest');
  expect(kept.stdout).toMatch(/^# cemiflow run x\.yaml --json --only top\nparams:\n {2}v: 1\n/);

  expect(await lab.cemiflow('show', '--config', 'x.yaml', 'tpo')).toMatchObject({
    exitCode: 2,
    stderr: "cemiflow: x.yaml has no stage 'tpo'\n  Its stages: top, sum.",
  });
  for (const words of [
    ['show', '--set', 'a=1'],
    ['show', '--config', 'latest', 'top'],
    ['show', '--config', 'x.yaml', '--set', 'params.vv=1'],
  ])
    expect((await lab.cemiflow(...words)).exitCode).toBe(2);
});
