/** What was delivered is no longer there, on the server or here, or there is no such server. Needs the compiled engine (npm run build). */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { until } from '../run/lab.js';
import { type Mischief } from './stand-in.js';
import { Tracked } from './tracked.js';

const its = new Tracked();

test('a server that comes back without its store gets all of the run anew, once', async () => {
  its.write(2000, 100);
  const run = its.lab.start('run', 'x.yaml');
  await until(() => its.server.runs.size === 2 && its.onServer('one').length > 0, 'some points are there');
  its.server.forget();
  const { exitCode, stderr } = await run;
  expect(exitCode).toBe(0);
  expect(stderr.match(/no longer has what it was sent/g)).toHaveLength(1);
  expect(stderr).not.toContain('not everything');
  expect(its.onServer('one')).toEqual(its.journaled('one'));
  expect([...its.server.runs.values()].map(({ status }) => status)).toEqual(Array(4).fill('FINISHED'));
});

test('without its record of what was delivered, sync reads back and sends what is missing, once', async () => {
  its.write(300);
  await its.lab.cemiflow('run', 'x.yaml');
  const one = its.server.byName('one');
  one.metrics = one.metrics.filter(({ key, step }) => key !== 'loss' || step % 3 > 0);
  rmSync(join(its.runFolders()[0]!, 'tracking'), { recursive: true });
  expect((await its.lab.cemiflow('sync', 'latest')).exitCode).toBe(0);
  expect(its.server.runs.size).toBe(4);
  expect(its.onServer('one').sort((a, b) => a.step - b.step)).toEqual(its.journaled('one'));
});

test('two that deliver the same run at the same time send every point once', async () => {
  its.write(3000);
  delete its.lab.environment['MLFLOW_TRACKING_URI'];
  await its.lab.cemiflow('run', 'x.yaml');
  const words = ['sync', 'latest', '--to', its.server.uri];
  const both = await Promise.all([its.lab.cemiflow(...words), its.lab.cemiflow(...words)]);
  expect(both.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
  expect(its.server.runs.size).toBe(4);
  expect(its.onServer('one')).toHaveLength(3000);
});

test('a run that somebody deletes there is not taken for bad points; once it is restored, sync goes on', async () => {
  its.write(2000, 100);
  const run = its.lab.start('run', 'x.yaml');
  await until(() => its.server.runs.size === 2 && its.onServer('one').length > 0, 'some points are there');
  const one = its.server.byName('one');
  one.deleted = true;
  const { exitCode, stderr } = await run;
  expect(exitCode).toBe(0);
  expect(stderr).toMatch(/run run1 was deleted on .*; the run goes on.* mlflow runs restore --run-id run1/);
  expect(its.server.refused.length).toBeLessThan(20);
  one.deleted = false;
  expect((await its.lab.cemiflow('sync')).exitCode).toBe(0);
  expect(its.onServer('one').sort((a, b) => a.step - b.step)).toEqual(its.journaled('one'));
});

test.each<[string, Mischief]>([
  ['a page for every address', { status: 200, body: '<!doctype html><title>Something else</title>' }],
  ['no such address', { status: 404, body: '<!doctype html>' }],
])('where %s is answered, it is asked whether that is an MLflow server', async (_, mischief) => {
  its.write(3);
  its.server.mischief = () => mischief;
  const { exitCode, stderr } = await its.lab.cemiflow('run', 'x.yaml');
  expect(exitCode).toBe(0);
  expect(stderr).toMatch(
    /experiments\/get-by-name.*the run goes on.* Is that the address of an MLflow server\?/,
  );
  expect(stderr.match(/the run goes on/g)).toHaveLength(1);
});
