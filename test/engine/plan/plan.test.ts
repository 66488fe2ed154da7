/** What runs, what does not, and the reasons that are given: `plan`, `status`, `why` and `run` all ask here. */
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { removeTree } from '../../../engine/cache/session.js';
import { keyOf } from '../../../engine/plan/key.js';
import { planAll } from '../../../engine/plan/make-plan.js';
import type { Decision, Reason } from '../../../engine/plan/plan.js';
import { explain, say } from '../../../engine/plan/why.js';
import { write } from '../cache/rig.js';
import { type Lab, type StageChange, openLab } from './rig.js';

const acts = (decisions: Map<string, Decision>) =>
  Object.fromEntries([...decisions].map(([name, { act }]) => [name, act]));

const reasons = (decisions: Map<string, Decision>, name: string): string[] => {
  const decision = decisions.get(name)!;
  return decision.act === 'reuse' ? [] : decision.because.map(say);
};

/** faces -> oracle -> samples, samples reads both. */
const pipeline = (lab: Lab, change: Partial<Record<'faces' | 'oracle' | 'samples', StageChange>> = {}) => [
  lab.stage('faces', { settings: { identities: 200 }, ...change.faces }),
  lab.stage('oracle', { inputs: { dataset: 'faces' }, ...change.oracle }),
  lab.stage('samples', {
    settings: { m: 0 },
    inputs: { inquiry: 'faces', model: 'oracle' },
    ...change.samples,
  }),
];

test('of a new experiment the first stage runs and the others may; afterwards all are cached', async () => {
  const lab = await openLab();
  const before = await lab.plan(pipeline(lab));
  expect(acts(before)).toEqual({ faces: 'run', oracle: 'maybe', samples: 'maybe' });
  expect(reasons(before, 'faces')).toEqual(['no earlier result']);
  expect(reasons(before, 'samples')).toEqual([
    'depends on faces, oracle, which must run first',
    'no earlier result',
  ]);
  expect(await lab.run(pipeline(lab))).toEqual(['faces', 'oracle', 'samples']);
  expect(acts(await lab.plan(pipeline(lab)))).toEqual({ faces: 'reuse', oracle: 'reuse', samples: 'reuse' });
});

test('a changed number reruns its stage and nothing above it, and why says which', async () => {
  const lab = await openLab();
  await lab.run(pipeline(lab));
  const changed = pipeline(lab, { samples: { settings: { m: 0.1 } } });
  expect(reasons(await lab.plan(changed), 'samples')).toEqual(['with.m: 0 -> 0.1']);
  // Another stage never ran, and says what it is compared with.
  const more = [
    ...pipeline(lab),
    lab.stage('others', { settings: { m: 0.1 }, inputs: { inquiry: 'faces', model: 'oracle' } }),
  ];
  expect(reasons(await lab.plan(more), 'others')).toEqual([
    'no earlier result of its own; compared with samples',
    'with.m: 0 -> 0.1',
  ]);
  // One that has little in common with any is compared with none.
  const other = [...pipeline(lab), lab.stage('others', { settings: { m: 0.1 }, inputs: { parts: 'faces' } })];
  expect(reasons(await lab.plan(other), 'others')).toEqual(['no earlier result']);
  expect(await lab.run(changed)).toEqual(['samples']);
  // Back to the number of before: that result is still there.
  expect(await lab.run(pipeline(lab))).toEqual([]);
});

test('a stage that runs again to the same bytes leaves all below it cached', async () => {
  const lab = await openLab();
  await lab.run(pipeline(lab));
  const changed = pipeline(lab, { faces: { settings: { identities: 200, quality: 'same' } } });
  expect(acts(await lab.plan(changed))).toEqual({ faces: 'run', oracle: 'maybe', samples: 'maybe' });
  expect(await lab.run(changed)).toEqual(['faces']);
  const other = pipeline(lab, { faces: { settings: { identities: 300 } } });
  expect(await lab.run(other, (name) => (name === 'faces' ? 'other faces' : `content of ${name}`))).toEqual([
    'faces',
    'oracle',
    'samples',
  ]);
});

test('a stage renamed, moved or given a new seed that it does not use stays cached', async () => {
  const lab = await openLab();
  await lab.run([lab.stage('faces', { seeded: false, settings: { a: 1, b: 2 } })]);
  const renamed = [lab.stage('people', { seeded: false, seed: 7, settings: { b: 2, a: 1 }, after: [] })];
  expect(acts(await lab.plan(renamed))).toEqual({ people: 'reuse' });
  expect(await lab.run([lab.stage('faces', { seeded: true })])).toEqual(['faces']);
  const seeded = await lab.plan([lab.stage('faces', { seeded: true, seed: 7 })]);
  expect(reasons(seeded, 'faces')).toEqual(['seed: 1 -> 7']);
});

test('all that changed is said, not only the first', async () => {
  const lab = await openLab();
  write(lab.folder, { 'photos/a.png': '1' });
  const inputs = { photos: 'path:photos' };
  await lab.run([lab.stage('faces', { settings: { a: 1, deep: { x: [1], y: 'same' } }, inputs })]);
  write(lab.folder, { 'photos/a.png': '2' });
  const decisions = await lab.plan([
    lab.stage('faces', { settings: { b: 'new', deep: { x: [1, 2], y: 'same' } }, inputs, seed: 2, cpus: 4 }),
  ]);
  expect(reasons(decisions, 'faces')).toEqual([
    'with.a: 1 -> none',
    'with.b: none -> new',
    'with.deep.x: [1] -> [1,2]',
    expect.stringMatching(/^input photos: [0-9a-f]{8} -> [0-9a-f]{8}$/),
    'seed: 1 -> 2',
    'resources.cpus: 1 -> 4',
  ]);
});

test('changed code is named by its file', async () => {
  const lab = await openLab();
  const first = write(join(lab.folder, 'one'), { 'my.js': "import './help.js';", 'help.js': '1' });
  const second = write(join(lab.folder, 'two'), { 'my.js': "import './help.js';", 'help.js': '2' });
  await lab.run([lab.stage('faces', { kind: './my.js', module: join(first, 'my.js') })]);
  const decisions = await lab.plan([lab.stage('faces', { kind: './my.js', module: join(second, 'my.js') })]);
  expect(reasons(decisions, 'faces')).toEqual(['code of ./my.js: ./help.js changed']);
});

test('the content of the files that a command lists as its code is in the key', async () => {
  const lab = await openLab();
  write(lab.folder, { 'train.py': 'print(1)' });
  const stages = [
    lab.stage('train', { kind: 'command', settings: { run: 'python3 train.py', code: ['train.py'] } }),
  ];
  await lab.run(stages);
  write(lab.folder, { 'train.py': 'print(2)' });
  expect(reasons(await lab.plan(stages), 'train')).toEqual([
    expect.stringMatching(/^program train.py: [0-9a-f]{8} -> [0-9a-f]{8}$/),
  ]);
  rmSync(join(lab.folder, 'train.py'));
  await expect(lab.plan(stages)).rejects.toThrow(
    /^x.yaml:3:5: with.code of train: .*train.py does not exist$/,
  );
});

test('an outside input that is not there is an error with its place in the file', async () => {
  const lab = await openLab();
  const stages = [lab.stage('faces', { inputs: { photos: 'path:photos' } })];
  await expect(lab.plan(stages)).rejects.toThrow(
    /^x.yaml:3:5: input photos of faces: .*photos does not exist$/,
  );
});

test('a damaged output reruns its stage; what is below waits to see whether it comes out the same', async () => {
  const lab = await openLab();
  await lab.run(pipeline(lab));
  const faces = (await lab.plan(pipeline(lab))).get('faces')!;
  if (faces.act !== 'reuse') throw new Error('not cached');
  await removeTree(lab.cache.objectPath(faces.result.outputs['out']!.digest));
  const decisions = await lab.plan(pipeline(lab));
  expect(acts(decisions)).toEqual({ faces: 'run', oracle: 'maybe', samples: 'maybe' });
  expect(reasons(decisions, 'faces')).toEqual([
    'output out of the earlier result cannot be used: its folder is missing',
  ]);
  expect(reasons(decisions, 'oracle')).toEqual(['depends on faces, which must run first']);
  expect(await lab.run(pipeline(lab))).toEqual(['faces']);
});

test('many artifacts in one input: their number, their order and their content count', async () => {
  const lab = await openLab();
  const points = ['s@m=0', 's@m=1', 's@m=2'].map((name, m) => lab.stage(name, { settings: { m } }));
  const merged = (inputs: string[]) => [...points, lab.stage('merged', { inputs: { sets: inputs } })];
  await lab.run(merged(['s@m=0', 's@m=1']).filter(({ name }) => name !== 's@m=2'));
  expect(reasons(await lab.plan(merged(['s@m=1', 's@m=0'])), 'merged')).toEqual([
    'input sets: the order of its 2 artifacts changed',
  ]);
  expect(reasons(await lab.plan(merged(['s@m=0', 's@m=1', 's@m=2'])), 'merged')).toEqual([
    'depends on s@m=2, which must run first',
  ]);
  await lab.run(points);
  expect(reasons(await lab.plan(merged(['s@m=0', 's@m=1', 's@m=2'])), 'merged')).toEqual([
    'input sets: 2 artifacts -> 3',
  ]);
  expect(reasons(await lab.plan(merged(['s@m=0', 's@m=2'])), 'merged')).toEqual([
    'input sets: 1 of 2 artifacts changed',
  ]);
});

test('a stage that only comes after another one is judged by its own inputs', async () => {
  const lab = await openLab();
  await lab.run([lab.stage('b')]);
  const decisions = await lab.plan([
    lab.stage('a', { settings: { new: true } }),
    lab.stage('b', { after: ['a'] }),
  ]);
  expect(acts(decisions)).toEqual({ a: 'run', b: 'reuse' });
});

describe('the command line chooses', () => {
  const points = (lab: Lab) => [
    lab.stage('faces'),
    lab.stage('samples@m=0', { settings: { m: 0 }, inputs: { inquiry: 'faces' } }),
    lab.stage('samples@m=1', { settings: { m: 1 }, inputs: { inquiry: 'faces' } }),
    lab.stage('fr', { inputs: { dataset: 'samples@m=1' } }),
  ];

  test('--force: that stage runs, and what is below may', async () => {
    const lab = await openLab();
    await lab.run(points(lab));
    const all = await lab.plan(points(lab), { force: new Set(['samples']) });
    expect(acts(all)).toEqual({ faces: 'reuse', 'samples@m=0': 'run', 'samples@m=1': 'run', fr: 'maybe' });
    expect(reasons(all, 'samples@m=0')).toEqual(['forced on the command line']);
    const one = await lab.plan(points(lab), { force: new Set(['samples@m=0']) });
    expect(acts(one)).toMatchObject({ 'samples@m=0': 'run', 'samples@m=1': 'reuse', fr: 'reuse' });
    expect(await lab.run(points(lab), undefined, { force: new Set(['faces']) })).toEqual(['faces']);
  });

  test('--until: it and what it depends on; --only: it alone', async () => {
    const lab = await openLab();
    expect([...(await lab.plan(points(lab), { until: 'samples@m=1' })).keys()]).toEqual([
      'faces',
      'samples@m=1',
    ]);
    expect([...(await lab.plan(points(lab), { until: 'samples' })).keys()]).toEqual([
      'faces',
      'samples@m=0',
      'samples@m=1',
    ]);
    expect(acts(await lab.plan(points(lab), { only: 'samples@m=0' }))).toEqual({ 'samples@m=0': 'maybe' });
    await lab.run(points(lab), undefined, { until: 'faces' });
    expect(acts(await lab.plan(points(lab), { only: 'samples@m=0' }))).toEqual({ 'samples@m=0': 'run' });
  });

  test.each([
    [{ force: new Set(['sample']) }, '--force sample: ', "Did you mean 'samples'?"],
    [{ until: 'samples@m=3' }, '--until samples@m=3: ', "Did you mean 'samples@m=0'?"],
    [{ until: 'fx' }, '--until fx: ', 'Its stages: faces, samples, fr.'],
    [{ only: 'evaluation' }, '--only evaluation: ', 'Its stages: faces, samples, fr.'],
  ])('a name that no stage has is an error with the nearest one: %o', async (options, message, remedy) => {
    const lab = await openLab();
    const planned = planAll(lab.experiment(points(lab)), lab.cache, options).catch((error: unknown) => error);
    expect(await planned).toMatchObject({
      name: 'SelectionError',
      message: expect.stringContaining(message),
      remedy,
    });
  });
});

test('a cached stage says which run made it, when, in what time and from what', async () => {
  const lab = await openLab();
  await lab.run(pipeline(lab));
  const decisions = await lab.plan(pipeline(lab));
  const lines = explain(decisions.get('samples')!, lab.experiment(pipeline(lab)));
  expect(lines).toEqual([
    expect.stringMatching(/^made by run r1 at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d in 1m12s on cpu$/),
    expect.stringMatching(/^input inquiry: faces\.out \([0-9a-f]{8}\)$/),
    expect.stringMatching(/^input model: oracle\.out \([0-9a-f]{8}\)$/),
    expect.stringMatching(/^output out: [0-9a-f]{8}, 1 file$/),
  ]);
});

test.each<[Reason, string]>([
  [{ kind: 'kind-changed', was: 'generate', now: 'fr-train' }, 'uses: generate -> fr-train'],
  [{ kind: 'seed-changed', was: null, now: 3 }, 'seed: none -> 3'],
  [
    { kind: 'code-changed', of: 'generate', part: 'npm:sharp', was: '0.35.4', now: '0.35.5' },
    'package sharp that generate uses: 0.35.4 -> 0.35.5',
  ],
  [
    { kind: 'code-changed', of: 'generate', part: '', was: 'a'.repeat(64), now: 'b'.repeat(64) },
    'code of generate: aaaaaaaa -> bbbbbbbb',
  ],
  [
    { kind: 'code-changed', of: 'generate', part: 'stages/x.js', was: undefined, now: 'b' },
    'code of generate: stages/x.js is new',
  ],
  [
    { kind: 'setting-changed', path: 'run', was: 'short', now: 'x'.repeat(99) },
    `with.run: short -> ${'x'.repeat(57)}...`,
  ],
  [
    {
      kind: 'setting-changed',
      path: 'run',
      was: `python3 train.py ${'--quiet '.repeat(9)}--lr 0.1`,
      now: `python3 train.py ${'--quiet '.repeat(9)}--lr 0.5 ${'--quiet '.repeat(9)}`,
    },
    'with.run: ...--quiet --lr 0.1 -> ...--quiet --lr 0.5 --quiet --quiet --quiet --quiet --qui...',
  ],
  [
    { kind: 'upstream-runs', stages: [...'abcdefgh'] },
    'depends on a, b, c, d, e, 3 more, which must run first',
  ],
  [
    { kind: 'output-damaged', output: '', detail: 'its result file is no JSON' },
    'the earlier result cannot be used: its result file is no JSON',
  ],
])('%o in words', (reason, words) => expect(say(reason)).toBe(words));

test('a chain of 10,000 stages is planned without recursion, cached or not', async () => {
  const lab = await openLab();
  const chain = Array.from({ length: 10_000 }, (_, index) =>
    lab.stage(`s${index}`, { settings: { index }, inputs: index === 0 ? {} : { above: `s${index - 1}` } }),
  );
  let before = performance.now();
  const fresh = await lab.plan(chain);
  console.log(`10,000 stages, nothing cached: ${Math.round(performance.now() - before)} ms`);
  expect(fresh.get('s9999')!.act).toBe('maybe');

  // The results of a whole run, written as a run leaves them: all stages made the same bytes.
  await lab.run(chain.slice(0, 1), () => 'same');
  const first = (await lab.plan(chain.slice(0, 1))).get('s0')!;
  if (first.act !== 'reuse') throw new Error('not cached');
  fillResults(lab, chain.slice(1), first.result);
  before = performance.now();
  const cached = await lab.plan(chain);
  console.log(`10,000 stages, all cached: ${Math.round(performance.now() - before)} ms`);
  expect(new Set(Object.values(acts(cached)))).toEqual(new Set(['reuse']));
});

function fillResults(
  lab: Lab,
  stages: ReturnType<Lab['stage']>[],
  like: Extract<Decision, { act: 'reuse' }>['result'],
): void {
  const { codeParts: _, ...bare } = like.components;
  for (const { name, settings } of stages) {
    const components = { ...bare, settings, inputs: { above: [like.outputs['out']!.digest] } };
    const key = keyOf({ ...components, codeParts: {} });
    const result = { ...like, key, components, by: { ...like.by, stage: name } };
    const sha256 = createHash('sha256').update(JSON.stringify(result)).digest('hex');
    write(lab.cache.root, {
      [`results/${key.slice(0, 2)}/${key}.json`]: JSON.stringify({
        format: 'cemiflow-result/1',
        sha256,
        result,
      }),
    });
  }
}
