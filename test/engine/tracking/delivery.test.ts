/** Runs delivered to a tracking server that misbehaves. Needs the compiled engine (npm run build). */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Tracked } from './tracked.js';

const its = new Tracked();

test.each([
  ['answers 500 although it has stored the batch', { status: 500, after: true as const }],
  ['answers 503 and has stored nothing', { status: 503, headers: { 'retry-after': '1' } }],
  ['cuts the connection before it stores', { cut: 'before' as const }],
  ['cuts the connection after it has stored', { cut: 'after' as const }],
  ['asks for patience', { status: 429 }],
])('a server that at times %s has every point once', async (_, mischief) => {
  its.write(2600, 20);
  let batches = 0;
  its.server.mischief = ({ path, body }) =>
    path === 'mlflow/runs/log-batch' && body['metrics'] && batches++ % 2 === 0 && batches < 8
      ? mischief
      : undefined;
  expect((await its.lab.cemiflow('run', 'x.yaml')).exitCode).toBe(0);
  await its.lab.cemiflow('sync');
  expect(its.onServer('one').sort((a, b) => a.step - b.step)).toEqual(its.journaled('one'));
  expect(its.onServer('two@k=1')).toHaveLength(3);
  expect(its.server.runs.size).toBe(4);
  expect([...its.server.runs.values()].every(({ status }) => status === 'FINISHED')).toBe(true);
});

test('a server that takes longer for an answer than a resting connection is kept: nothing is said, and every point is there once', async () => {
  its.write(300);
  let first = true;
  its.server.mischief = ({ path, body }) => {
    if (!first || path !== 'mlflow/runs/log-batch' || !body['metrics']) return undefined;
    first = false;
    return { slow: 4000 };
  };
  const { stderr } = await its.lab.cemiflow('run', 'x.yaml');
  expect(first).toBe(false);
  expect(stderr).not.toMatch(/the run goes on|not everything/);
  expect(its.onServer('one')).toEqual(its.journaled('one'));
});

test('a connection that breaks once after the end of the run costs nothing', async () => {
  its.write(3);
  let cut = false;
  its.server.mischief = ({ path }) => {
    if (cut || !path.endsWith('report.html')) return undefined;
    cut = true;
    return { cut: 'before' };
  };
  const { stderr } = await its.lab.cemiflow('run', 'x.yaml');
  expect(cut).toBe(true);
  expect(stderr).not.toContain('not everything');
  expect([...its.server.artifacts.keys()]).toContain('run0/report.html');
});

test('many batches go at a time, and of those that fail half-way every point is there once', async () => {
  its.write(9500);
  await its.server.stop();
  await its.lab.cemiflow('run', 'x.yaml');
  await its.server.start();
  let batches = 0;
  its.server.mischief = ({ path, body }) => {
    if (path !== 'mlflow/runs/log-batch' || !body['metrics']) return undefined;
    batches++;
    if (batches === 6) return { cut: 'after' };
    if (batches === 8) return { status: 500 };
    if (batches === 10) return { cut: 'before' };
    return { slow: 100 };
  };
  for (let i = 0; i < 5 && (await its.lab.cemiflow('sync')).exitCode !== 0; i++);
  expect(its.server.mostAtOnce).toBe(4);
  expect(its.onServer('one').sort((a, b) => a.step - b.step)).toEqual(its.journaled('one'));
  expect(its.onServer('one')).toHaveLength(9500);
});

test('what was not taken at first is sent again, once: parameters, and figures whose tags failed after them', async () => {
  its.write(3);
  const failed = new Set<string>();
  its.server.mischief = ({ path, body }) => {
    const part = ['params', 'tags'].find((name) => body[name]);
    const key = `${body['run_id'] as string} ${part}`;
    if (path !== 'mlflow/runs/log-batch' || part === undefined || failed.has(key)) return undefined;
    failed.add(key);
    return { status: 503 };
  };
  await its.lab.cemiflow('run', 'x.yaml');
  for (let i = 0; i < 10 && (await its.lab.cemiflow('sync')).exitCode !== 0; i++);
  expect(failed.size).toBe(8);
  expect(its.server.byName('two@k=2').params).toMatchObject({ 'matrix.k': '2', seed: '0' });
  for (const { name, metrics, status } of its.server.runs.values()) {
    const key = name.startsWith('test') ? 'run/seconds' : 'stage/seconds';
    expect({ name, status, count: metrics.filter((metric) => metric.key === key).length }).toEqual({
      name,
      status: 'FINISHED',
      count: 1,
    });
  }
});

test('a run whose creation was not answered is found, not made twice', async () => {
  its.write();
  let first = true;
  its.server.mischief = ({ path }) => {
    if (path !== 'mlflow/runs/create' || !first) return undefined;
    first = false;
    return { cut: 'after' };
  };
  await its.lab.cemiflow('run', 'x.yaml');
  await its.lab.cemiflow('sync');
  expect(its.server.runs.size).toBe(4);
});

test('one point that the server refuses is left out and said; all others arrive', async () => {
  its.write(300);
  its.server.mischief = ({ path, body }) =>
    path === 'mlflow/runs/log-batch' &&
    (body['metrics'] as { key: string; step: number }[] | undefined)?.some(
      ({ key, step }) => key === 'loss' && step === 77,
    )
      ? { status: 400, body: { error_code: 'INVALID_PARAMETER_VALUE', message: 'not that one' } }
      : undefined;
  const { exitCode, stderr } = await its.lab.cemiflow('run', 'x.yaml');
  expect(exitCode).toBe(0);
  expect(stderr).toContain('not that one; it stays in the journal only');
  expect(its.onServer('one')).toEqual(its.journaled('one').filter(({ step }) => step !== 77));
});

test.each([
  ['no server', undefined, /cannot be reached \(ECONNREFUSED\)/],
  ['a host name that is not allowed', { status: 403, body: 'Invalid Host header' }, /--allowed-hosts/],
  ['credentials that are wrong', { status: 401 }, /MLFLOW_TRACKING_USERNAME/],
])('%s: the run goes on and says so once, and sync delivers all later', async (_, mischief, words) => {
  its.write(200);
  if (mischief) its.server.mischief = () => mischief;
  else await its.server.stop();
  const { exitCode, stderr } = await its.lab.cemiflow('run', 'x.yaml');
  expect(exitCode).toBe(0);
  expect(stderr).toMatch(words);
  expect(stderr.match(/the run goes on/g)).toHaveLength(1);
  expect(stderr).toMatch(/Later: cemiflow sync \d{8}-/);
  if (!mischief) await its.server.start();
  its.server.mischief = () => undefined;
  const sync = await its.lab.cemiflow('sync');
  expect(sync).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('complete') });
  expect(its.onServer('one')).toEqual(its.journaled('one'));
  const calls = its.server.calls.length;
  expect(await its.lab.cemiflow('sync')).toMatchObject({ stderr: 'Nothing is left to deliver.' });
  expect(its.server.calls.length).toBe(calls);
});

test('an engine that is killed: its courier sends the rest and closes the runs as killed', async () => {
  its.write(100_000, 100);
  const child = its.lab.start('run', 'x.yaml');
  await child.says('tracking:');
  child.kill('SIGKILL');
  await child;
  for (let i = 0; i < 200 && its.server.byName('one').status === 'RUNNING'; i++) await sleep(50);
  for (let i = 0; i < 200 && its.server.runs.get('run0')!.status === 'RUNNING'; i++) await sleep(50);
  expect([...its.server.runs.values()].map(({ status }) => status)).toEqual(['KILLED', 'KILLED']);
  expect(its.onServer('one')).toEqual(its.journaled('one'));
});

test('engine and courier killed: the next run reconciles the one before', async () => {
  its.write(100_000, 100);
  const child = its.lab.start('run', 'x.yaml');
  await child.says('tracking:');
  const courier = spawnSync('pgrep', ['-P', String(child.pid), '-f', 'tracking/courier.js'], {
    encoding: 'utf8',
  });
  process.kill(Number(courier.stdout.trim()), 'SIGKILL');
  child.kill('SIGKILL');
  await child;
  await sleep(300);
  expect(its.server.byName('one').status).toBe('RUNNING');
  const before = its.runFolders()[0]!;
  its.write(3);
  expect((await its.lab.cemiflow('run', 'x.yaml')).exitCode).toBe(0);
  await its.lab.cemiflow('sync');
  const killed = [...its.server.runs.values()].filter(({ status }) => status === 'KILLED');
  expect(killed).toHaveLength(2);
  expect([...its.server.runs.values()].some(({ status }) => status === 'RUNNING')).toBe(false);
  const one = killed.find(({ name }) => name === 'one')!;
  expect(one.metrics.filter(({ key }) => key === 'loss')).toEqual(its.journaled('one', before));
});

test('an older server without data sets and artifacts is served without, and told once', async () => {
  its.write();
  its.server.mischief = ({ path }) =>
    path === 'mlflow/runs/log-inputs' || path.startsWith('mlflow-artifacts')
      ? { status: 404, body: '<!doctype html>' }
      : undefined;
  const { exitCode, stderr } = await its.lab.cemiflow('run', 'x.yaml');
  expect(exitCode).toBe(0);
  expect(stderr.match(/the server takes no data sets/g)).toHaveLength(1);
  expect(stderr.match(/the server takes no artifacts/g)).toHaveLength(1);
  expect(its.onServer('one')).toEqual(its.journaled('one'));
});

test('an address that is none is said, and the run goes on without', async () => {
  its.write();
  its.lab.environment['MLFLOW_TRACKING_URI'] = 'sqlite:///x.db';
  const { exitCode, stderr } = await its.lab.cemiflow('run', 'x.yaml');
  expect(exitCode).toBe(0);
  expect(stderr).toContain('mlflow server');
  expect(existsSync(join(its.runFolders()[0]!, 'tracking'))).toBe(false);
});

test('sync delivers a run that knew no server to one that is named, and refuses an address with a password in it', async () => {
  its.write();
  delete its.lab.environment['MLFLOW_TRACKING_URI'];
  await its.lab.cemiflow('run', 'x.yaml');
  expect(await its.lab.cemiflow('sync', 'latest')).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('names no tracking server'),
  });
  expect((await its.lab.cemiflow('sync', '--to', 'http://a:b@x')).exitCode).toBe(2);
  expect((await its.lab.cemiflow('sync', '--to', its.server.uri, '--experiment', 'other')).exitCode).toBe(0);
  expect([...its.server.experiments.keys()]).toEqual(['other']);
  expect(its.onServer('one')).toEqual(its.journaled('one'));
});
