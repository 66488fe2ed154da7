import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../engine/cli/invocation.js';
import { median, race } from './measure.js';
import { figuresOf } from './tables.js';

const bench = (...words: string[]) =>
  spawnSync(process.execPath, [join(packageRoot, 'dist/test/bench/main.js'), ...words], { encoding: 'utf8' });

test('--list names every benchmark, by line and as JSON, and measures none', () => {
  const names = [
    'render', 'compute-unet-training', 'compute-unet-sampling', 'compute-recogniser-training', 'compute-recogniser-embedding',
    'compute-paper-unet-training', 'compute-paper-unet-sampling', 'compute-paper-fr-training', 'compute-paper-fr-embedding', 'engine-start', 'engine-plan', 'engine-run', 'engine-peers', 'cache', 'data-wait', 'memory',
    'tracking-overhead', 'tracking-delivery', 'tracking-delivery-one', 'tracking-down',
  ]; // prettier-ignore
  const { status, stdout, stderr } = bench('--list');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ')[0]),
  ).toEqual(names);
  const listed = JSON.parse(bench('--list', '--json').stdout) as { name: string }[];
  expect(listed.map(({ name }) => name)).toEqual(names);
});

test('a name that none begins with is bad usage, said before anything is measured', () => {
  const { status, stdout, stderr } = bench('cache', 'rendering');
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toContain("no benchmark's name begins with 'rendering'");
  expect(stderr).toContain('engine-plan');
});

test('what needs MLflow says how to get it', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(packageRoot, 'dist/test/bench/main.js'), 'tracking-overhead'],
    { encoding: 'utf8', env: { ...process.env, MLFLOW_PYTHON: '' } },
  );
  expect(status).toBe(1);
  expect(stderr).toMatch(/MLFLOW_PYTHON must name a Python .*pip install \S*mlflow\S*==/);
});

test('contestants take turns, made ready each time, and a warm-up round is not counted', async () => {
  const turns: string[] = [];
  const contestant = (name: string) => ({
    ready: () => turns.push(`${name} ready`),
    run: () => turns.push(name),
  });
  const times = await race([contestant('a'), contestant('b')], { rounds: 2, seconds: 60, warmUp: true });
  const round = ['a ready', 'a', 'b ready', 'b'];
  expect(turns).toEqual([...round, ...round, ...round]);
  expect(times.map((seconds) => seconds.length)).toEqual([2, 2]);
});

test('without time for more, one round is run', async () => {
  let turns = 0;
  const times = await race([{ run: () => turns++ }], { rounds: 5, seconds: 0 });
  expect(turns).toBe(1);
  expect(times[0]).toHaveLength(1);
});

test('rate and ratio are those of the shortest turns', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  const work = { amount: 10, unit: 'images' };
  const figures = figuresOf({ what: '', seconds: [4, 2, 3], work, peer: { name: 'wasm', seconds: [10, 8] } });
  expect(figures).toEqual({
    min: 2, median: 3, turns: 3, rate: 5, unit: 'images/s', peer: { name: 'wasm', min: 8, ratio: 0.25 },
  }); // prettier-ignore
});
