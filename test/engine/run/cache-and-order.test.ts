/** What runs and what does not, and in which order: through the real command. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Lab, summaryOf } from './lab.js';

const family = (value: { top?: number; left?: number }, constant = false) => `
  top: { uses: ./fake.js, with: { value: ${value.top ?? 1}, constant: ${constant} } }
  left: { uses: ./fake.js, inputs: { a: top }, with: { value: ${value.left ?? 10} } }
  right: { uses: ./fake.js, inputs: { a: top }, with: { value: 20 } }
  below: { uses: ./fake.js, inputs: { a: left }, with: { value: 100 } }
`;

test('a second run finds everything cached, and has the same outputs', async () => {
  await using lab = Lab.create();
  lab.write(family({}));
  const first = await lab.run();
  expect(first.status).toEqual({ top: 'ok', left: 'ok', right: 'ok', below: 'ok' });
  const below = first.stages.find(({ name }) => name === 'below')!;
  expect(readFileSync(join(below.outputs['out']!.path!, 'sum'), 'utf8')).toBe('111');
  expect(below.metrics).toEqual({ sum: 111 });
  const second = await lab.run();
  expect(second.status).toEqual({ top: 'cached', left: 'cached', right: 'cached', below: 'cached' });
  expect(second.stages.map(({ outputs }) => outputs)).toEqual(first.stages.map(({ outputs }) => outputs));
  expect(second.stages.map(({ metrics }) => metrics)).toEqual(first.stages.map(({ metrics }) => metrics));
  // The memory that it took is known of a cached stage, too.
  const peaks = first.stages.map(({ peakRssBytes }) => peakRssBytes);
  expect(Math.min(...peaks)).toBeGreaterThan(0);
  expect(second.stages.map(({ peakRssBytes }) => peakRssBytes)).toEqual(peaks);
});

test('a changed number reruns its stage and what depends on it, and nothing else', async () => {
  await using lab = Lab.create();
  lab.write(family({}));
  await lab.run();
  lab.write(family({ left: 11 }));
  expect((await lab.run()).status).toEqual({ top: 'cached', left: 'ok', right: 'cached', below: 'ok' });
  expect((await lab.run('--set', 'stages.right.with.value=21')).status).toEqual({
    top: 'cached',
    left: 'cached',
    right: 'ok',
    below: 'cached',
  });
});

test('a stage rerun to the same bytes leaves what is below it cached', async () => {
  await using lab = Lab.create();
  lab.write(`
  top: { uses: ./fake.js, with: { value: 1 } }
  middle: { uses: ./fake.js, inputs: { a: top }, with: { value: 5, constant: true } }
  below: { uses: ./fake.js, inputs: { a: middle }, with: { value: 100 } }
`);
  await lab.run();
  expect((await lab.run('--set', 'stages.top.with.value=2')).status).toEqual({
    top: 'ok',
    middle: 'ok',
    below: 'cached',
  });
});

test('--force reruns that stage only, where the bytes come out the same', async () => {
  await using lab = Lab.create();
  lab.write(family({}));
  await lab.run();
  expect((await lab.run('-f', 'top')).status).toEqual({
    top: 'ok',
    left: 'cached',
    right: 'cached',
    below: 'cached',
  });
});

test('--until runs what a stage depends on; --only wants that to be there', async () => {
  await using lab = Lab.create();
  lab.write(family({}));
  const refused = await lab.cemiflow('run', 'x.yaml', '--only', 'left');
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toBe(
    'cemiflow: --only: top has no result yet, and must run before\n  Use --until instead: it runs what a stage depends on.',
  );
  expect((await lab.run('--until', 'left')).status).toEqual({ top: 'ok', left: 'ok' });
  expect((await lab.run('--only', 'right')).status).toEqual({ top: 'cached', right: 'ok' });
});

test('stages that need one CPU each run beside each other, under -j 1 one after the other', async () => {
  await using lab = Lab.create();
  lab.write(`
  a: { uses: ./fake.js, with: { hold: a } }
  b: { uses: ./fake.js, with: { hold: b } }
`);
  const both = lab.start('run', 'x.yaml');
  await Promise.all([lab.started('a'), lab.started('b')]);
  lab.go('a');
  lab.go('b');
  expect((await both).exitCode).toBe(0);
  // Both may go on at once; that the second waited for the first's end is seen in the journal.
  expect((await lab.cemiflow('run', 'x.yaml', '-j', '1', '-f', 'a', '-f', 'b')).exitCode).toBe(0);
  const { order } = await lab.journal();
  const events = order.filter((line) => line.startsWith('stage-'));
  const [first, second] = events[0] === 'stage-started a' ? ['a', 'b'] : ['b', 'a'];
  expect(events).toEqual([
    `stage-started ${first}`,
    `stage-ended ${first}`,
    `stage-started ${second}`,
    `stage-ended ${second}`,
  ]);
});

test('a stage that wants all CPUs waits until they are free', async () => {
  await using lab = Lab.create();
  lab.write(`
  small: { uses: ./fake.js, with: { hold: small } }
  after: { uses: ./fake.js, after: [small], with: { value: 3 } }
  big: { uses: ./fake.js, resources: { cpus: 64 }, with: { value: 1 } }
`);
  const run = lab.start('run', 'x.yaml');
  // small goes first: something waits for it.
  await lab.started('small');
  lab.go('small');
  expect((await run).exitCode).toBe(0);
  const { order } = await lab.journal();
  expect(order.indexOf('stage-started big')).toBeGreaterThan(order.indexOf('stage-ended small'));
});

test('two engines on one cache do the work once', async () => {
  await using lab = Lab.create();
  lab.write(`
  a: { uses: ./fake.js, with: { hold: a, value: 4 } }
`);
  const first = lab.start('run', 'x.yaml', '--json');
  const pid = await lab.started('a');
  const second = lab.start('run', 'x.yaml', '--json');
  await second.says('works on the same');
  lab.go('a');
  const [one, two] = [await first, await second];
  expect(JSON.parse(one.stdout).stages[0].status).toBe('ok');
  expect(JSON.parse(two.stdout).stages[0].status).toBe('cached');
  expect(two.stderr).toMatch(/a waits: another engine \(process \d+ on .+\) works on the same\n/);
  expect(two.stderr).toContain('○ a cached: made meanwhile\n');
  expect(await lab.started('a')).toBe(pid);
});

test('two points that differ in nothing the stage reads are made once, and the wait says by whom', async () => {
  await using lab = Lab.create();
  lab.write(`
  a: { uses: ./fake.js, matrix: { n: [1, 2] }, with: { hold: a, value: 4 } }
`);
  const run = lab.start('run', 'x.yaml', '--json');
  await lab.started('a');
  await run.says(' waits: another stage of this run works on the same');
  lab.go('a');
  const { status } = summaryOf(await run);
  expect(Object.values(status).sort()).toEqual(['cached', 'ok']);
});

test('what an output refers to of an outside folder is in the cache for those below', async () => {
  await using lab = Lab.create();
  const own = (name: string, work: string) =>
    writeFileSync(
      lab.path(`${name}.js`),
      `import { readFileSync, writeFileSync } from 'node:fs';
export const stage = {
  kind: '${name}', summary: '-', schema: { type: 'object', additionalProperties: false, properties: {} },
  inputs: { data: { types: 'any', description: '-' } }, outputs: { out: { type: 'files', description: '-' } },
  seeded: false, device: false,
  load: () => ({ run: async (context) => { ${work} } }),
};
`,
    );
  const to = (file: string) => `context.output('out') + '/${file}'`;
  own('refer', `writeFileSync(${to('references.json')}, JSON.stringify([context.input('data').digest]));`);
  own(
    'follow',
    `const [digest] = JSON.parse(readFileSync(context.input('data').path + '/references.json', 'utf8'));
     writeFileSync(${to('seen')}, readFileSync(context.artifact(digest) + '/deep/row'));`,
  );
  mkdirSync(lab.path('rows/deep'), { recursive: true });
  writeFileSync(lab.path('rows/deep/row'), 'pixels');
  lab.write(`
  groups: { uses: ./refer.js, inputs: { data: "path:rows" } }
  reader: { uses: ./follow.js, inputs: { data: groups } }
`);
  const { status, stages } = await lab.run();
  expect(status).toEqual({ groups: 'ok', reader: 'ok' });
  expect(readFileSync(join(stages[1]!.outputs['out']!.path!, 'seen'), 'utf8')).toBe('pixels');
  expect((await lab.run()).status).toEqual({ groups: 'cached', reader: 'cached' });
});
