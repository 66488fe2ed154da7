/** Names, values and batches within what a tracking server takes. Needs the compiled engine (npm run build). */
import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { Tracked } from './tracked.js';

const its = new Tracked();

/** A stage that tells one point of each of these metrics, in a run with these parameters. */
function write(metrics: readonly string[], params: Record<string, unknown>): void {
  writeFileSync(
    its.lab.path('mine.js'),
    `import { writeFileSync } from 'node:fs';
export const stage = {
  kind: 'mine', summary: 'x', inputs: {}, seeded: false, device: false, schema: { type: 'object' },
  outputs: { out: { type: 'files', description: 'x' } },
  load: async () => ({ run: async (context) => {
    ${JSON.stringify(metrics)}.forEach((name, step) => context.metric(name, 1, step));
    writeFileSync(context.output('out') + '/f', '');
  } }),
};
`,
  );
  its.lab.write(`  own: { uses: ./mine.js }\nparams: ${JSON.stringify(params)}\n`);
  its.lab.environment['MLFLOW_TRACKING_URI'] = its.server.uri;
}

const wholeParameters = () => parse(its.server.artifacts.get('run0/parameters.yaml')!.toString()) as unknown;

test('every metric arrives, whatever it is called, and two that were made alike stay apart', async () => {
  const names = [
    'loss//part',
    'loss/part/',
    '../loss',
    './loss',
    '/',
    'a:b',
    'a;b',
    'ärger',
    'x'.repeat(300),
  ];
  write(names, {});
  expect(await its.lab.cemiflow('run', 'x.yaml')).toMatchObject({ exitCode: 0 });
  const points = its.onServer('own');
  expect(points.map(({ step }) => step)).toEqual(names.map((_, i) => i));
  expect(new Set(points.map(({ key }) => key)).size).toBe(names.length);
  expect(points.every(({ key }) => key.length <= 250)).toBe(true);
  expect(its.server.refused).toEqual([]);
});

test('parameters whose names or values had to be shortened are whole in an artifact', async () => {
  const params = {
    [`name${'x'.repeat(300)}`]: '1',
    'odd//name': '2',
    // What is cut must not end in half of a letter.
    faces: `${'x'.repeat(5998)}${'😀'.repeat(9)}`,
    short: 'as it is',
  };
  write([], params);
  const { exitCode, stderr } = await its.lab.cemiflow('run', 'x.yaml');
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: expect.not.stringContaining('left out') });
  const there = its.server.runs.get('run0')!.params;
  expect(there).toMatchObject({ short: 'as it is', faces: `${'x'.repeat(5998)}…`, seed: '0' });
  expect(Object.values(there).sort()).toEqual(expect.arrayContaining(['1', '2']));
  expect(its.server.refused).toEqual([]);
  expect(wholeParameters()).toEqual({ seed: '0', ...params });
});

test.each([500, 250])('a server that takes %i characters of a value gets so many', async (longest) => {
  its.server.longestParam = longest;
  const params = { middling: 'y'.repeat(3000), long: 'x'.repeat(7000), short: 'z' };
  write([], params);
  const { stderr } = await its.lab.cemiflow('run', 'x.yaml');
  expect(stderr).not.toContain('left out');
  expect(its.server.runs.get('run0')!.params).toEqual({
    seed: '0',
    long: `${'x'.repeat(longest - 1)}…`,
    middling: `${'y'.repeat(longest - 1)}…`,
    short: 'z',
  });
  expect(wholeParameters()).toEqual({ seed: '0', ...params });
});

test('many long parameters go in batches of at most a hundred and a megabyte', async () => {
  const params = Object.fromEntries(
    Array.from({ length: 250 }, (_, i) => [`p${i}`, i < 100 ? '測'.repeat(6000) : String(i)]),
  );
  write([], params);
  expect((await its.lab.cemiflow('run', 'x.yaml')).exitCode).toBe(0);
  expect(its.server.runs.get('run0')!.params).toEqual({ seed: '0', ...params });
  expect(its.server.refused).toEqual([]);
});
