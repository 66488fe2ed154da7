/** What of a run arrives on a tracking server. Needs the compiled engine (npm run build). */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { expect, test } from 'vitest';
import { until } from '../run/lab.js';
import { Tracked } from './tracked.js';

const its = new Tracked();

test('a run arrives: parent and nested runs, parameters, every point, data sets, tags, files, statuses', async () => {
  its.write();
  const { exitCode, stderr } = await its.lab.cemiflow('run', 'x.yaml', '--seed', '5');
  expect(exitCode).toBe(0);
  expect(stderr).toMatch(/tracking: http:\/\/127\.0\.0\.1:\d+\/#\/experiments\/1\/runs\/run0/);
  expect([...its.server.experiments.keys()]).toEqual(['test']);
  expect(its.server.runs.size).toBe(4);
  expect([...its.server.runs.values()].map(({ status }) => status)).toEqual(Array(4).fill('FINISHED'));
  const two = its.server.byName('two@k=2');
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
  expect(its.onServer('one')).toEqual(its.journaled('one'));
  expect(its.onServer('one')).toHaveLength(120);
  expect([...its.server.artifacts.keys()].sort()).toEqual(
    expect.arrayContaining(['run0/experiment.yaml', 'run0/report.html']),
  );
  expect(its.server.runs.get('run0')!.tags['mlflow.note.content']).toContain('| one | ok |');
});

test('what a stage uses from outside is a data set, also where the stage is cached', async () => {
  mkdirSync(its.lab.path('photos'));
  writeFileSync(its.lab.path('photos', 'a.png'), 'a face');
  its.lab.write(`  one:
    uses: command
    inputs: { photos: path:photos }
    with: { run: "ls \${{ inputs.photos }} > \${{ outputs.out }}/list", outputs: { out: files } }
`);
  its.lab.environment['MLFLOW_TRACKING_URI'] = its.server.uri;
  for (let run = 0; run < 2; run++) expect((await its.lab.cemiflow('run', 'x.yaml')).exitCode).toBe(0);
  const nested = [...its.server.runs.values()].filter(({ tags }) => tags['cemiflow.stage'] === 'one');
  expect(nested.map(({ tags }) => tags['cemiflow.cached'])).toEqual(['false', 'true']);
  const dataset = {
    name: 'photos',
    digest: expect.stringMatching(/^[0-9a-f]{36}$/),
    source_type: 'local',
    source: expect.stringContaining(its.lab.path('photos')),
  };
  expect(nested.map(({ datasets }) => datasets.map((input) => input.dataset))).toEqual([
    [dataset],
    [dataset],
  ]);
  writeFileSync(its.lab.path('photos', 'a.png'), 'another face');
  expect((await its.lab.cemiflow('run', 'x.yaml')).exitCode).toBe(0);
  const changed = [...its.server.runs.values()].findLast(({ tags }) => tags['cemiflow.stage'] === 'one')!;
  expect(changed.datasets[0]!.dataset.digest).not.toBe(nested[0]!.datasets[0]!.dataset.digest);
});

test('what the machine does arrives under system/, the cards of nvidia-smi by number; what a card does not tell is left out', async () => {
  // A machine with two cards, the second of which tells no power.
  mkdirSync(its.lab.path('bin'));
  writeFileSync(
    its.lab.path('bin', 'nvidia-smi'),
    `#!/bin/sh
case "$*" in
  *utilization*) printf 'GPU-a, 93, 4000, 16000, 71.5\nGPU-b, 7, 800, 16000, [N/A]\n' ;;
  *) printf 'GPU 0: A card (UUID: GPU-a)\\nGPU 1: Another (UUID: GPU-b)\\n' ;;
esac
`,
    { mode: 0o755 },
  );
  its.lab.environment['PATH'] = `${its.lab.path('bin')}:${process.env['PATH']}`;
  its.write(1000, 100);
  const gpus = ['--set', 'stages.one.resources.gpus=2'];
  expect((await its.lab.cemiflow('run', 'x.yaml', ...gpus)).exitCode).toBe(0);
  const { metrics } = its.server.runs.get('run0')!;
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
  its.write();
  await its.lab.cemiflow('run', 'x.yaml');
  const first = its.runFolders()[0]!.slice(-20);
  its.server.runs.clear();
  expect((await its.lab.cemiflow('run', 'x.yaml')).exitCode).toBe(0);
  const one = its.server.byName('one');
  expect(one.tags).toMatchObject({ 'cemiflow.cached': 'true', 'cemiflow.cached_from': first });
  expect(one.metrics).toContainEqual(expect.objectContaining({ key: 'loss', value: 1 / 120 }));
  expect(one.status).toBe('FINISHED');
});

test('a parameter and a setting that are named seed arrive beside the seeds of the run and the stage', async () => {
  writeFileSync(
    its.lab.path('mine.js'),
    `import { writeFileSync } from 'node:fs';
export const stage = {
  kind: 'mine', summary: 'x', inputs: {}, seeded: true, device: false,
  schema: { type: 'object', additionalProperties: false, properties: { seed: { type: 'integer' } } },
  outputs: { out: { type: 'files', description: 'x' } },
  load: async () => ({ run: async (context) => writeFileSync(context.output('out') + '/f', '') }),
};
`,
  );
  its.lab.write(`  own: { uses: ./mine.js, with: { seed: 7 } }
params: { seed: 11, deep: { seed: 12 }, "params.seed": 13 }
`);
  its.lab.environment['MLFLOW_TRACKING_URI'] = its.server.uri;
  const { exitCode, stderr } = await its.lab.cemiflow('run', 'x.yaml', '--seed', '5');
  expect({ exitCode, stderr }).toMatchObject({
    exitCode: 0,
    stderr: expect.not.stringContaining('left out'),
  });
  expect(its.server.byName('own').params).toEqual({ seed: '5', 'with.seed': '7' });
  expect(its.server.runs.get('run0')!.params).toEqual({
    seed: '5',
    'params.seed': '11',
    'deep.seed': '12',
    'params.params.seed': '13',
  });
  its.server.artifacts.delete('run0/cemiflow/run.json');
  const { stdout } = await its.lab.cemiflow(
    ...['list', 'params.seed == 11 and seed == 5', '--from', 'mlflow', '--json'],
  );
  expect(JSON.parse(stdout)).toMatchObject({ runs: [{ name: 'test' }] });
});

test('tags say which code ran where: commit, changes since, host, seed, device, key', async () => {
  its.write(3);
  const git = (...words: string[]) => {
    const { status, stdout, stderr } = spawnSync(
      'git',
      ['-c', 'user.name=me', '-c', 'user.email=me@localhost', ...words],
      { cwd: its.lab.folder, encoding: 'utf8' },
    );
    expect(status, stderr).toBe(0);
    return stdout.trim();
  };
  git('init', '-q');
  git('add', 'x.yaml', 'say.mjs');
  git('commit', '-q', '-m', 'first');
  const commit = git('rev-parse', 'HEAD');
  const { stages } = await its.lab.run('--seed', '5');
  const where = { 'mlflow.source.git.commit': commit, 'cemiflow.host': hostname(), 'cemiflow.seed': '5' };
  expect(its.server.runs.get('run0')!.tags).toMatchObject({ ...where, 'cemiflow.git_dirty': 'false' });
  expect(its.server.byName('one').tags).toMatchObject({
    ...where,
    'cemiflow.git_dirty': 'false',
    'cemiflow.device': expect.any(String),
    'cemiflow.key': stages[0]!.key,
    'mlflow.note.content': expect.stringContaining('Ran in'),
  });
  its.server.forget();
  its.write(4);
  await its.lab.run();
  for (const { tags } of its.server.runs.values())
    expect(tags).toMatchObject({ 'mlflow.source.git.commit': commit, 'cemiflow.git_dirty': 'true' });
});

test('metrics arrive while their stage goes on, at the steps and times that the journal has', async () => {
  its.write(100_000, 100);
  const run = its.lab.start('run', 'x.yaml');
  const found = () => [...its.server.runs.values()].find(({ name }) => name === 'one');
  await until(() => (found()?.metrics.length ?? 0) > 100, 'a hundred points are there');
  expect(found()!.status).toBe('RUNNING');
  expect(its.journaled('one')).toEqual(expect.arrayContaining(found()!.metrics));
  run.kill('SIGINT');
  expect((await run).exitCode).toBe(130);
  expect([...its.server.runs.values()].map(({ status }) => status)).toEqual(['KILLED', 'KILLED']);
  expect(its.server.runs.get('run0')!.tags).toMatchObject({
    'cemiflow.status': 'interrupted',
    'mlflow.note.content': expect.stringContaining('interrupted after'),
  });
  expect(its.server.byName('one').tags).toMatchObject({
    'cemiflow.status': 'cancelled',
    'cemiflow.error': 'interrupted',
  });
});

test('a failed run and its failed stage say so, with the reason', async () => {
  its.write(3);
  const words = ['--set', 'stages.two.with.run=exit 3'];
  expect((await its.lab.cemiflow('run', 'x.yaml', ...words)).exitCode).toBe(1);
  expect(its.server.byName('one').status).toBe('FINISHED');
  const parent = its.server.runs.get('run0')!;
  const reason = 'the command ended with exit code 3';
  expect(parent).toMatchObject({ status: 'FAILED', tags: { 'cemiflow.status': 'failed' } });
  expect(parent.tags['mlflow.note.content']).toMatch(new RegExp(`two@k=1 \\| failed \\| ${reason}`));
  expect(its.server.byName('two@k=1')).toMatchObject({
    status: 'FAILED',
    tags: { 'cemiflow.error': reason, 'mlflow.note.content': expect.stringContaining(reason) },
  });
});
