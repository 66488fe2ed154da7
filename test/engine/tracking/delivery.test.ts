/** Runs delivered to a tracking server that misbehaves. Needs the compiled engine (npm run build). */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readJournal } from '../../../engine/journal/reader.js';
import { Lab } from '../run/lab.js';
import { StandIn } from './stand-in.js';

let lab: Lab;
let server: StandIn;

beforeEach(async () => {
  lab = Lab.create();
  server = new StandIn();
  await server.start();
  writeFileSync(
    lab.path('say.mjs'),
    `import { writeFileSync } from 'node:fs';
const [, , out, points, pause] = process.argv;
for (let i = 0; i < Number(points); i++) {
  console.log(\`metric loss \${1 / (i + 1)} \${i}\`);
  if (i % 50 === 49) await new Promise((resolve) => setTimeout(resolve, Number(pause)));
}
writeFileSync(out + '/f', points);
`,
  );
});

afterEach(async () => {
  await server.stop();
  await lab[Symbol.asyncDispose]();
});

/** Two stages, the second at two points; `one` takes `points` of a metric with `pause` ms after every 50. */
function write(points = 120, pause = 0): void {
  lab.write(`  one:
    uses: command
    with: { run: "node say.mjs \${{ outputs.out }} ${points} ${pause}", outputs: { out: images }, code: [say.mjs] }
  two:
    uses: command
    matrix: { k: [1, 2] }
    inputs: { x: one }
    with: { run: "node say.mjs \${{ outputs.out }} 3 0 \${{ matrix.k }}", outputs: { out: files }, code: [say.mjs] }
`);
  lab.environment['MLFLOW_TRACKING_URI'] = server.uri;
}

const runFolders = () =>
  readdirSync(lab.path('runs'))
    .filter((name) => /^\d{8}-/.test(name))
    .sort()
    .map((name) => lab.path('runs', name));

/** The points of a stage in the newest run's journal, as the server should have them. */
function journaled(stage: string, folder = runFolders().at(-1)!) {
  return readJournal(folder).flatMap((event) =>
    event.type === 'metric' && event.stage === stage
      ? [{ key: event.name, value: event.value, timestamp: Date.parse(event.at), step: event.step }]
      : [],
  );
}

const onServer = (stage: string) =>
  server.byName(stage).metrics.filter(({ key }) => !key.startsWith('stage/') && !key.startsWith('system/'));

test('a run arrives: parent and nested runs, parameters, every point, data sets, tags, files, statuses', async () => {
  write();
  const { exitCode, stderr } = await lab.cemiflow('run', 'x.yaml', '--seed', '5');
  expect(exitCode).toBe(0);
  expect(stderr).toMatch(/tracking: http:\/\/127\.0\.0\.1:\d+\/#\/experiments\/1\/runs\/run0/);
  expect([...server.experiments.keys()]).toEqual(['test']);
  expect(server.runs.size).toBe(4);
  expect([...server.runs.values()].map(({ status }) => status)).toEqual(Array(4).fill('FINISHED'));
  const two = server.byName('two@k=2');
  expect(two.tags).toMatchObject({
    'mlflow.parentRunId': 'run0',
    'cemiflow.kind': 'command',
    'cemiflow.cached': 'false',
    'cemiflow.seed': '5',
  });
  expect(two.params).toMatchObject({ 'matrix.k': '2', seed: '5' });
  expect(two.datasets[0]?.dataset).toMatchObject({
    name: 'one.out',
    digest: expect.stringMatching(/^[0-9a-f]{36}$/),
  });
  expect(onServer('one')).toEqual(journaled('one'));
  expect(onServer('one')).toHaveLength(120);
  expect([...server.artifacts.keys()].sort()).toEqual(
    expect.arrayContaining(['run0/experiment.yaml', 'run0/report.html']),
  );
  expect(server.runs.get('run0')!.tags['mlflow.note.content']).toContain('| one | ok |');
});

test('what the machine does arrives under system/, the cards of nvidia-smi by number; what a card does not tell is left out', async () => {
  // A machine with two cards, the second of which tells no power.
  mkdirSync(lab.path('bin'));
  writeFileSync(
    lab.path('bin', 'nvidia-smi'),
    `#!/bin/sh
case "$*" in
  *utilization*) printf 'GPU-a, 93, 4000, 16000, 71.5\nGPU-b, 7, 800, 16000, [N/A]\n' ;;
  *) printf 'GPU 0: A card (UUID: GPU-a)\\nGPU 1: Another (UUID: GPU-b)\\n' ;;
esac
`,
    { mode: 0o755 },
  );
  lab.environment['PATH'] = `${lab.path('bin')}:${process.env['PATH']}`;
  write(1000, 100);
  const gpus = ['--set', 'stages.one.resources.gpus=2'];
  expect((await lab.cemiflow('run', 'x.yaml', ...gpus)).exitCode).toBe(0);
  const { metrics } = server.runs.get('run0')!;
  const first = Object.fromEntries(
    metrics
      .filter(({ key, step }) => key.startsWith('system/') && step === 0)
      .map(({ key, value }) => [key, value]),
  );
  expect(first).toMatchObject({
    'system/cpu_utilization_percentage': expect.any(Number),
    'system/system_memory_usage_megabytes': expect.any(Number),
    'system/system_memory_usage_percentage': expect.any(Number),
    'system/gpu_0_utilization_percentage': 93,
    'system/gpu_0_memory_usage_megabytes': 4000,
    'system/gpu_0_memory_usage_percentage': 25,
    'system/gpu_0_power_usage_watts': 71.5,
    'system/gpu_1_utilization_percentage': 7,
    'system/gpu_1_memory_usage_percentage': 5,
  });
  expect(first).not.toHaveProperty('system/gpu_1_power_usage_watts');
});

test('stages from the cache arrive with their figures, marked, and with the run that made them', async () => {
  write();
  await lab.cemiflow('run', 'x.yaml');
  const first = runFolders()[0]!.slice(-20);
  server.runs.clear();
  expect((await lab.cemiflow('run', 'x.yaml')).exitCode).toBe(0);
  const one = server.byName('one');
  expect(one.tags).toMatchObject({ 'cemiflow.cached': 'true', 'cemiflow.cached_from': first });
  expect(one.metrics).toContainEqual(expect.objectContaining({ key: 'loss', value: 1 / 120 }));
  expect(one.status).toBe('FINISHED');
});

test.each([
  ['answers 500 although it has stored the batch', { status: 500, after: true as const }],
  ['answers 503 and has stored nothing', { status: 503, headers: { 'retry-after': '1' } }],
  ['cuts the connection before it stores', { cut: 'before' as const }],
  ['cuts the connection after it has stored', { cut: 'after' as const }],
  ['asks for patience', { status: 429 }],
])('a server that at times %s has every point once', async (_, mischief) => {
  write(2600, 20);
  let batches = 0;
  server.mischief = ({ path, body }) =>
    path === 'mlflow/runs/log-batch' && body['metrics'] && batches++ % 2 === 0 && batches < 8
      ? mischief
      : undefined;
  expect((await lab.cemiflow('run', 'x.yaml')).exitCode).toBe(0);
  await lab.cemiflow('sync');
  expect(onServer('one').sort((a, b) => a.step - b.step)).toEqual(journaled('one'));
  expect(onServer('two@k=1')).toHaveLength(3);
  expect(server.runs.size).toBe(4);
  expect([...server.runs.values()].every(({ status }) => status === 'FINISHED')).toBe(true);
});

test('a server that takes longer for an answer than a resting connection is kept: nothing is said, and every point is there once', async () => {
  write(300);
  let first = true;
  server.mischief = ({ path, body }) => {
    if (!first || path !== 'mlflow/runs/log-batch' || !body['metrics']) return undefined;
    first = false;
    return { slow: 4000 };
  };
  const { stderr } = await lab.cemiflow('run', 'x.yaml');
  expect(first).toBe(false);
  expect(stderr).not.toMatch(/the run goes on|not everything/);
  expect(onServer('one')).toEqual(journaled('one'));
});

test('a connection that breaks once after the end of the run costs nothing', async () => {
  write(3);
  let cut = false;
  server.mischief = ({ path }) => {
    if (cut || !path.endsWith('report.html')) return undefined;
    cut = true;
    return { cut: 'before' };
  };
  const { stderr } = await lab.cemiflow('run', 'x.yaml');
  expect(cut).toBe(true);
  expect(stderr).not.toContain('not everything');
  expect([...server.artifacts.keys()]).toContain('run0/report.html');
});

test('many batches go at a time, and of those that fail half-way every point is there once', async () => {
  write(9500);
  await server.stop();
  await lab.cemiflow('run', 'x.yaml');
  await server.start();
  let batches = 0;
  server.mischief = ({ path, body }) => {
    if (path !== 'mlflow/runs/log-batch' || !body['metrics']) return undefined;
    batches++;
    if (batches === 6) return { cut: 'after' };
    if (batches === 8) return { status: 500 };
    if (batches === 10) return { cut: 'before' };
    return { slow: 100 };
  };
  for (let i = 0; i < 5 && (await lab.cemiflow('sync')).exitCode !== 0; i++);
  expect(server.mostAtOnce).toBe(4);
  expect(onServer('one').sort((a, b) => a.step - b.step)).toEqual(journaled('one'));
  expect(onServer('one')).toHaveLength(9500);
});

test('what was not taken at first is sent again, once: parameters, and figures whose tags failed after them', async () => {
  write(3);
  const failed = new Set<string>();
  server.mischief = ({ path, body }) => {
    const part = ['params', 'tags'].find((name) => body[name]);
    const key = `${body['run_id'] as string} ${part}`;
    if (path !== 'mlflow/runs/log-batch' || part === undefined || failed.has(key)) return undefined;
    failed.add(key);
    return { status: 503 };
  };
  await lab.cemiflow('run', 'x.yaml');
  for (let i = 0; i < 10 && (await lab.cemiflow('sync')).exitCode !== 0; i++);
  expect(failed.size).toBe(8);
  expect(server.byName('two@k=2').params).toMatchObject({ 'matrix.k': '2', seed: '0' });
  for (const { name, metrics, status } of server.runs.values()) {
    const key = name.startsWith('test') ? 'run/seconds' : 'stage/seconds';
    expect({ name, status, count: metrics.filter((metric) => metric.key === key).length }).toEqual({
      name,
      status: 'FINISHED',
      count: 1,
    });
  }
});

test('a parameter and a setting that are named seed arrive beside the seeds of the run and the stage', async () => {
  writeFileSync(
    lab.path('mine.js'),
    `import { writeFileSync } from 'node:fs';
export const stage = {
  kind: 'mine', summary: 'x', inputs: {}, seeded: true, device: false,
  schema: { type: 'object', additionalProperties: false, properties: { seed: { type: 'integer' } } },
  outputs: { out: { type: 'files', description: 'x' } },
  load: async () => ({ run: async (context) => writeFileSync(context.output('out') + '/f', '') }),
};
`,
  );
  lab.write(`  own: { uses: ./mine.js, with: { seed: 7 } }
params: { seed: 11, deep: { seed: 12 }, "params.seed": 13 }
`);
  lab.environment['MLFLOW_TRACKING_URI'] = server.uri;
  const { exitCode, stderr } = await lab.cemiflow('run', 'x.yaml', '--seed', '5');
  expect({ exitCode, stderr }).toMatchObject({
    exitCode: 0,
    stderr: expect.not.stringContaining('left out'),
  });
  expect(server.byName('own').params).toEqual({ seed: '5', 'with.seed': '7' });
  expect(server.runs.get('run0')!.params).toEqual({
    seed: '5',
    'params.seed': '11',
    'deep.seed': '12',
    'params.params.seed': '13',
  });
  server.artifacts.delete('run0/cemiflow/run.json');
  const { stdout } = await lab.cemiflow(
    ...['list', 'params.seed == 11 and seed == 5', '--from', 'mlflow', '--json'],
  );
  expect(JSON.parse(stdout)).toMatchObject({ runs: [{ name: 'test' }] });
});

test('a run whose creation was not answered is found, not made twice', async () => {
  write();
  let first = true;
  server.mischief = ({ path }) => {
    if (path !== 'mlflow/runs/create' || !first) return undefined;
    first = false;
    return { cut: 'after' };
  };
  await lab.cemiflow('run', 'x.yaml');
  await lab.cemiflow('sync');
  expect(server.runs.size).toBe(4);
});

test('one point that the server refuses is left out and said; all others arrive', async () => {
  write(300);
  server.mischief = ({ path, body }) =>
    path === 'mlflow/runs/log-batch' &&
    (body['metrics'] as { key: string; step: number }[] | undefined)?.some(
      ({ key, step }) => key === 'loss' && step === 77,
    )
      ? { status: 400, body: { error_code: 'INVALID_PARAMETER_VALUE', message: 'not that one' } }
      : undefined;
  const { exitCode, stderr } = await lab.cemiflow('run', 'x.yaml');
  expect(exitCode).toBe(0);
  expect(stderr).toContain('not that one; it stays in the journal only');
  expect(onServer('one')).toEqual(journaled('one').filter(({ step }) => step !== 77));
});

test.each([
  ['no server', undefined, /cannot be reached \(ECONNREFUSED\)/],
  ['a host name that is not allowed', { status: 403, body: 'Invalid Host header' }, /--allowed-hosts/],
  ['credentials that are wrong', { status: 401 }, /MLFLOW_TRACKING_USERNAME/],
])('%s: the run goes on and says so once, and sync delivers all later', async (_, mischief, words) => {
  write(200);
  if (mischief) server.mischief = () => mischief;
  else await server.stop();
  const { exitCode, stderr } = await lab.cemiflow('run', 'x.yaml');
  expect(exitCode).toBe(0);
  expect(stderr).toMatch(words);
  expect(stderr.match(/the run goes on/g)).toHaveLength(1);
  expect(stderr).toMatch(/Later: cemiflow sync \d{8}-/);
  if (!mischief) await server.start();
  server.mischief = () => undefined;
  const sync = await lab.cemiflow('sync');
  expect(sync).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('complete') });
  expect(onServer('one')).toEqual(journaled('one'));
  const calls = server.calls.length;
  expect(await lab.cemiflow('sync')).toMatchObject({ stderr: 'Nothing is left to deliver.' });
  expect(server.calls.length).toBe(calls);
});

test('an engine that is killed: its courier sends the rest and closes the runs as killed', async () => {
  write(100_000, 100);
  const child = lab.start('run', 'x.yaml');
  await child.says('tracking:');
  child.kill('SIGKILL');
  await child;
  for (let i = 0; i < 200 && server.byName('one').status === 'RUNNING'; i++) await sleep(50);
  for (let i = 0; i < 200 && server.runs.get('run0')!.status === 'RUNNING'; i++) await sleep(50);
  expect([...server.runs.values()].map(({ status }) => status)).toEqual(['KILLED', 'KILLED']);
  expect(onServer('one')).toEqual(journaled('one'));
});

test('engine and courier killed: the next run reconciles the one before', async () => {
  write(100_000, 100);
  const child = lab.start('run', 'x.yaml');
  await child.says('tracking:');
  const courier = spawnSync('pgrep', ['-P', String(child.pid), '-f', 'tracking/courier.js'], {
    encoding: 'utf8',
  });
  process.kill(Number(courier.stdout.trim()), 'SIGKILL');
  child.kill('SIGKILL');
  await child;
  await sleep(300);
  expect(server.byName('one').status).toBe('RUNNING');
  const before = runFolders()[0]!;
  write(3);
  expect((await lab.cemiflow('run', 'x.yaml')).exitCode).toBe(0);
  await lab.cemiflow('sync');
  const killed = [...server.runs.values()].filter(({ status }) => status === 'KILLED');
  expect(killed).toHaveLength(2);
  expect([...server.runs.values()].some(({ status }) => status === 'RUNNING')).toBe(false);
  const one = killed.find(({ name }) => name === 'one')!;
  expect(one.metrics.filter(({ key }) => key === 'loss')).toEqual(journaled('one', before));
});

test('an older server without data sets and artifacts is served without, and told once', async () => {
  write();
  server.mischief = ({ path }) =>
    path === 'mlflow/runs/log-inputs' || path.startsWith('mlflow-artifacts')
      ? { status: 404, body: '<!doctype html>' }
      : undefined;
  const { exitCode, stderr } = await lab.cemiflow('run', 'x.yaml');
  expect(exitCode).toBe(0);
  expect(stderr.match(/the server takes no data sets/g)).toHaveLength(1);
  expect(stderr.match(/the server takes no artifacts/g)).toHaveLength(1);
  expect(onServer('one')).toEqual(journaled('one'));
});

test('an address that is none is said, and the run goes on without', async () => {
  write();
  lab.environment['MLFLOW_TRACKING_URI'] = 'sqlite:///x.db';
  const { exitCode, stderr } = await lab.cemiflow('run', 'x.yaml');
  expect(exitCode).toBe(0);
  expect(stderr).toContain('mlflow server');
  expect(existsSync(join(runFolders()[0]!, 'tracking'))).toBe(false);
});

test('sync delivers a run that knew no server to one that is named, and refuses an address with a password in it', async () => {
  write();
  delete lab.environment['MLFLOW_TRACKING_URI'];
  await lab.cemiflow('run', 'x.yaml');
  expect(await lab.cemiflow('sync', 'latest')).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('names no tracking server'),
  });
  expect((await lab.cemiflow('sync', '--to', 'http://a:b@x')).exitCode).toBe(2);
  expect((await lab.cemiflow('sync', '--to', server.uri, '--experiment', 'other')).exitCode).toBe(0);
  expect([...server.experiments.keys()]).toEqual(['other']);
  expect(onServer('one')).toEqual(journaled('one'));
});
