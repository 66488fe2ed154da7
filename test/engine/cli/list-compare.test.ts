/** `list` and `compare` with filters, over real runs of the real command. */
import { readFileSync, writeFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { Lab } from '../run/lab.js';

const stages = `
  top: { uses: ./fake.js, with: { value: 1 } }
  sum: { uses: ./fake-evaluate.js, matrix: { v: [1, 2] }, inputs: { a: top }, with: { value: "\${{ matrix.v }}" } }`;

const schemaOf = (name: string) =>
  new Ajv2020({ allowUnionTypes: true }).compile(
    JSON.parse(
      readFileSync(new URL(`../../../schemas/${name}.schema.json`, import.meta.url), 'utf8'),
    ) as object,
  );

async function twoRuns(): Promise<Lab> {
  const lab = Lab.create();
  const fake = readFileSync(lab.path('fake.js'), 'utf8');
  // Rows of a comparison are evaluate stages.
  writeFileSync(lab.path('fake-evaluate.js'), fake.replace("kind: 'fake'", "kind: 'evaluate'"));
  lab.write(stages);
  await lab.run();
  await lab.run('--set', 'stages.top.with.value=5');
  return lab;
}

test('list shows the runs that have a stage for which the filter holds, and names it', async () => {
  await using lab = await twoRuns();
  const valid = schemaOf('list');
  const listed = async (...words: string[]) => {
    const answer: unknown = JSON.parse((await lab.cemiflow('list', ...words, '--json')).stdout);
    expect(valid(answer), JSON.stringify(valid.errors)).toBe(true);
    return (answer as { runs: { matches?: string[] }[] }).runs;
  };
  expect(await listed()).toHaveLength(2);
  // The sums are 2 and 3 in the first run, 6 and 7 in the second, which is the newest.
  expect((await listed('metrics.sum > 6')).map(({ matches }) => matches)).toEqual([['sum@v=2']]);
  expect((await listed('metrics.sum >= 3 and matrix.v == 2')).map(({ matches }) => matches)).toEqual([
    ['sum@v=2'],
    ['sum@v=2'],
  ]);
  const [first, ...others] = await listed('status == "ok" and not seconds > 600');
  expect([first!.matches, others.length]).toEqual([undefined, 1]);
  expect(await listed('status == "failed"')).toEqual([]);
  expect(await listed('status == "ok"', '-n', '1')).toHaveLength(1);
  const { stdout } = await lab.cemiflow('list', 'metrics.sum >= 6');
  expect(stdout.split('\n')).toHaveLength(1);
  expect(stdout).toMatch(/ {2}ok +.+ test +sum@v=1 and 1 more +run x\.yaml/);
});

test('a mistake in a filter ends with 2, its place and the nearest name', async () => {
  await using lab = await twoRuns();
  for (const words of [
    ['list', 'metrics.sun > 1'],
    ['compare', '--where', 'metrics.sun > 1'],
  ]) {
    const { exitCode, stdout, stderr } = await lab.cemiflow(...words);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(
      /^cemiflow: no stage here has metrics\["sun"\]\. Did you mean 'sum'\?\n {2}metrics\.sun > 1\n {10}~~~\n/,
    );
  }
});

test('compare over all runs shows the rows for which the filter holds', async () => {
  await using lab = await twoRuns();
  const { stdout } = await lab.cemiflow('compare', 'all', '--where', 'metrics.sum > 2', '--json');
  const answer = JSON.parse(stdout) as {
    rows: { label: string; metrics: { sum: number } }[];
    notices: string[];
  };
  expect(answer.rows.map(({ metrics }) => metrics.sum)).toEqual([6, 7, 3]);
  expect(answer.rows[0]!.label).toMatch(/^\d{8}-\d{6}-[0-9a-f]{4}:sum@v=1$/);
  expect(answer.notices[0]).toBe('1 of 4 rows are not shown: the filter does not hold.');
  const valid = schemaOf('compare');
  expect(valid(answer), JSON.stringify(valid.errors)).toBe(true);
  const none = await lab.cemiflow('compare', '--where', 'metrics.sum > 100');
  expect(none.exitCode).toBe(2);
  expect(none.stderr).toBe('cemiflow: no row for which metrics.sum > 100');
});
