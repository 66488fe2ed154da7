/** `list` and `compare` of a colleague who has neither journals nor cache, only the server. Needs the compiled engine (npm run build). */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Lab, type Said } from '../run/lab.js';
import { StandIn } from './stand-in.js';

/** Ran the experiments. */
const lab = Lab.create();
/** Has another folder, and knows the server. */
const colleague = Lab.create();
const server = new StandIn();

/** Evaluates to `value` plus its input, in thousandths, and leaves a protocol card. */
function evaluating(fake: string): string {
  return fake.replace("kind: 'fake'", "kind: 'evaluate'").replace(
    "context.metric('sum', sum, 1);",
    `context.metric('sum', sum, 1);
  context.metric('general/accuracy', 0.9 + sum / 1000);
  context.metric('avg/accuracy', 0.9 + sum / 1000);
  const card = { network: 'small', data: { identities: 10 * sum, images: 100 * sum } };
  writeFileSync(join(context.output('out'), 'result.json'), JSON.stringify({ card }));`,
  );
}

beforeAll(async () => {
  await server.start();
  for (const { environment } of [lab, colleague]) environment['MLFLOW_TRACKING_URI'] = server.uri;
  writeFileSync(lab.path('fake-evaluate.js'), evaluating(readFileSync(lab.path('fake.js'), 'utf8')));
  writeFileSync(
    lab.path('x.yaml'),
    `name: test
params: { base: 1, words: "1" }
stages:
  top: { uses: ./fake.js, with: { value: "\${{ params.base }}" } }
  sum: { uses: ./fake-evaluate.js, matrix: { v: [1, 2] }, inputs: { a: top }, with: { value: "\${{ matrix.v }}" } }
report: { baseline: sum@v=1 }
`,
  );
  await lab.run();
  await lab.run('--seed', '3');
  await lab.run('--set', 'params.base=5', '--set', 'tracking.experiment=other');
  await lab.cemiflow('run', 'x.yaml', '--set', 'stages.sum.with.fail=remedy');
});
afterAll(async () => {
  await server.stop();
  await Promise.all([lab[Symbol.asyncDispose](), colleague[Symbol.asyncDispose]()]);
});
beforeEach(() => {
  server.mischief = () => undefined;
});

/** What both of them see. */
async function both(...words: string[]): Promise<{ here: Said; there: Said }> {
  return {
    here: await lab.cemiflow(...words),
    there: await colleague.cemiflow(...words, '--from', 'mlflow'),
  };
}

test.each([
  [['list', '--json']],
  [['list', 'metrics.sum > 6', '--json']],
  [['list', 'params.base == 5 and params.words == "1"', '--json']],
  [['list', 'status == "failed"', '--json']],
  [['compare', 'all', '--json']],
  [['compare', 'all']],
  [['compare', 'all', '--apart', '--format', 'csv']],
  [['compare', 'all', '--where', 'matrix.v == 2 and with.value == 2 and seed == 0']],
  [['compare', 'all', '--baseline', 'sum@v=2', '--format', 'markdown']],
])('%j says from the server what it says from the journals', async (words) => {
  const { here, there } = await both(...words);
  expect(here.exitCode).toBe(0);
  expect(here.stdout).not.toBe('');
  expect(there).toEqual(here);
});

test('a run by its last four digits, and one experiment of the server alone', async () => {
  const { runs } = JSON.parse((await lab.cemiflow('list', '--json')).stdout) as { runs: { run: string }[] };
  expect(runs).toHaveLength(4);
  const [, other, , first] = runs.map(({ run }) => run);
  const { here, there } = await both('compare', first!.slice(-4));
  expect(there).toEqual(here);
  const listed = await colleague.cemiflow('list', '--from', server.uri, '--experiment', 'other', '--json');
  expect((JSON.parse(listed.stdout) as { runs: { run: string }[] }).runs.map(({ run }) => run)).toEqual([
    other,
  ]);
  const two = await colleague.cemiflow('list', '-n', '2', '--from', 'mlflow');
  expect(two.stdout.split('\n')).toHaveLength(2);
});

test('without the artifact that holds the whole record, what is missing is said and the accuracies are compared', async () => {
  server.mischief = ({ method, path }) =>
    method === 'GET' && path.includes('cemiflow/run.json') ? { status: 404, body: '<html>' } : undefined;
  const { here, there } = await both('compare', 'all', '--baseline', 'sum@v=1', '--apart', '--json');
  expect(there.exitCode).toBe(0);
  expect(there.stderr.match(/is not on the server .* no baseline, protocol cards/g)).toHaveLength(4);
  const rowsOf = ({ stdout }: Said) =>
    (JSON.parse(stdout) as { rows: Record<string, unknown>[] }).rows
      .map(({ label, metrics, params, gtr }) => ({ label, metrics, params, gtr }))
      .sort((a, b) => (String(a.label) < String(b.label) ? -1 : 1));
  expect(rowsOf(there)).toEqual(rowsOf(here));
  const list = await both('list', 'matrix.v == 2 and outcome == "ok"', '--json');
  expect(list.there.stdout).toBe(list.here.stdout);
});

test('a run that is still at work shows what has ended', async () => {
  lab.write(
    `  top: { uses: ./fake.js, with: { value: 7 } }
  sum: { uses: ./fake-evaluate.js, inputs: { a: top } }
  slow: { uses: ./fake.js, inputs: { a: sum }, with: { hold: slow } }
`,
    'y.yaml',
  );
  const run = lab.start('run', 'y.yaml');
  await lab.started('slow');
  const shown = async () => {
    const { stdout } = await colleague.cemiflow('compare', '--from', 'mlflow', '--json');
    return (JSON.parse(stdout) as { rows: { stage: string; metrics: Record<string, number> }[] }).rows;
  };
  let rows = await shown();
  for (let i = 0; i < 20 && rows.length === 0; i++) rows = await shown();
  expect(rows).toMatchObject([{ stage: 'sum', metrics: { 'avg/accuracy': 0.907 } }]);
  const { stdout } = await colleague.cemiflow('list', '-n', '1', '--from', 'mlflow', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ runs: [{ state: 'running', seconds: null, stages: 3 }] });
  lab.go('slow');
  await run;
});

test('no server, one that does not answer, and an experiment that is not there end with 2 and the remedy', async () => {
  const words = async (...more: string[]) => {
    const { exitCode, stdout, stderr } = await colleague.cemiflow('list', ...more);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    return stderr;
  };
  expect(await words('--from', 'http://127.0.0.1:9')).toContain('cannot be reached');
  expect(await words('--from', 'mlflow', '--experiment', 'none')).toContain('no such experiment');
  expect(await words('--experiment', 'none')).toContain('--from mlflow');
  expect(await words('--from', 'elsewhere')).toContain('http://127.0.0.1:5000');
  delete colleague.environment['MLFLOW_TRACKING_URI'];
  expect(await words('--from', 'mlflow')).toContain('MLFLOW_TRACKING_URI');
});
