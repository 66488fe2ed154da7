/** Points of matrices, replicas over seeds, and the binding of inputs to points. */
import { describe, expect, test } from 'vitest';
import type { Experiment } from '../../../engine/experiment/experiment.js';
import { rangeValues, valueText } from '../../../engine/experiment/matrix.js';
import { selectStages } from '../../../engine/plan/select.js';
import { Lab, stages } from './lab.js';

async function load(yaml: string, ...set: string[]): Promise<Experiment> {
  using lab = new Lab();
  return await lab.write('x.yaml', yaml).valid({ set });
}

async function points(matrix: string): Promise<string[]> {
  return (await load(`stages:\n  a: { uses: faces, matrix: ${matrix} }`)).stages.map((stage) =>
    stage.name.slice(2),
  );
}

/** Instance -> names of what it works on. */
function bindings(experiment: Experiment, stage: string): Record<string, string[]> {
  const of = experiment.stages.filter((one) => one.stage === stage);
  return Object.fromEntries(
    of.map((one) => [
      one.name,
      Object.values(one.inputs).flatMap((sources) =>
        sources.map((source) => (source.from === 'path' ? source.path : `${source.stage}.${source.output}`)),
      ),
    ]),
  );
}

describe('ranges are exact decimals', () => {
  test.each<[number, number, number, number[]]>([
    [0, 0.5, 0.1, [0, 0.1, 0.2, 0.3, 0.4, 0.5]],
    [-0.3, 0.3, 0.1, [-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3]],
    [1, 0, -0.25, [1, 0.75, 0.5, 0.25, 0]],
    [0, 1, 0.3, [0, 0.3, 0.6, 0.9]],
    [1, 3, 1, [1, 2, 3]],
    [5, 5, 1, [5]],
    [0, 3e-7, 1e-7, [0, 1e-7, 2e-7, 3e-7]],
    [1e21, 3e21, 1e21, [1e21, 2e21, 3e21]],
    [1, 0, 0.1, []],
  ])('from %d to %d in steps of %d', (from, to, step, values) => {
    expect(rangeValues(from, to, step)).toEqual(values);
  });

  test('the 21 points of the paper have the names people write', async () => {
    expect(await points('{ m: { from: -1, to: 1, step: 0.1 } }')).toEqual(
      [
        -1, -0.9, -0.8, -0.7, -0.6, -0.5, -0.4, -0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8,
        0.9, 1,
      ].map((m) => `m=${m}`),
    );
  });
});

describe('points', () => {
  test('every combination, the first axis outermost', async () => {
    expect(await points('{ loss: [adaface, arcface], s: [32, 64] }')).toEqual([
      ...['loss=adaface,s=32', 'loss=adaface,s=64', 'loss=arcface,s=32', 'loss=arcface,s=64'],
    ]);
  });

  test('zipped axes go together', async () => {
    expect(await points('{ x: [1, 2], zip: { a: [p, q], b: { from: 0, to: 1, step: 1 } } }')).toEqual([
      ...['x=1,a=p,b=0', 'x=1,a=q,b=1', 'x=2,a=p,b=0', 'x=2,a=q,b=1'],
    ]);
  });

  test('exclude takes points away, include adds points, or values to points that agree', async () => {
    expect(
      await points(
        '{ x: [1, 2], y: [1, 2], exclude: [{ x: 1, y: 2 }, { x: 2, y: 1 }], include: [{ x: 2, note: big }, { x: 9, y: 9 }] }',
      ),
    ).toEqual([...['x=1,y=1', 'x=2,y=2,note=big', 'x=9,y=9']]);
    expect(await points('{ include: [{ a: 1 }, { a: 2, b: 3 }] }')).toEqual(['a=1', 'a=2,b=3']);
  });

  test('a name does not shift when a list is reordered, and cannot be misread', async () => {
    expect((await points('{ m: [0.5, 0, true, "a b", "x=1,y@*", größe] }')).sort()).toEqual(
      ['m=0', 'm=0.5', 'm=a%20b', 'm=größe', 'm=true', 'm=x%3D1%2Cy%40%2A'].sort(),
    );
    expect(valueText(-0.1)).toBe('-0.1');
  });

  test('matrix.* is a setting of its own type', async () => {
    const { stages } = await load(
      'stages:\n  a: { uses: faces, matrix: { n: [2, 4], s: [32] }, with: { identities: "${{ matrix.n * 10 }}", size: "${{ matrix.s }}" } }',
    );
    expect(stages.map((stage) => [stage.settings['identities'], stage.settings['size']])).toEqual([
      [20, 32],
      [40, 32],
    ]);
  });
});

const sweep = `
seed: 7
stages:
  score: { uses: evaluate, matrix: fr, inputs: { model: fr, verification: faces.verification } }
  faces: { uses: faces }
  gen: { uses: train, inputs: { dataset: faces }, with: { loss: adaface } }
  samples: { uses: generate, matrix: { m: [0, 0.5] }, inputs: { generator: gen, inquiry: faces.inquiry }, with: { m: "\${{ matrix.m }}" } }
  fr: { uses: train, matrix: samples, seeds: [1, 2], inputs: { dataset: samples }, with: { loss: adaface } }
  look: { uses: merge, matrix: samples, inputs: { parts: [samples, faces] } }
  all: { uses: merge, inputs: { parts: samples@* } }
  some: { uses: merge, inputs: { parts: [samples@m=0.50, faces.inquiry] } }
`;

describe('binding', () => {
  test('stages come after all they depend on, otherwise as in the file', async () => {
    const { stages } = await load(sweep);
    expect([...new Set(stages.map((stage) => stage.stage))]).toEqual([
      'faces',
      'gen',
      'samples',
      'fr',
      'score',
      'look',
      'all',
      'some',
    ]);
  });

  test('a bare name is the point with equal values of the shared axes', async () => {
    const experiment = await load(sweep);
    expect(bindings(experiment, 'fr')).toEqual({
      'fr@m=0,seed=1': ['samples@m=0.images'],
      'fr@m=0,seed=2': ['samples@m=0.images'],
      'fr@m=0.5,seed=1': ['samples@m=0.5.images'],
      'fr@m=0.5,seed=2': ['samples@m=0.5.images'],
    });
    expect(bindings(experiment, 'score')['score@m=0.5,seed=2']).toEqual([
      'fr@m=0.5,seed=2.model',
      'faces.verification',
    ]);
    expect(bindings(experiment, 'look')['look@m=0']).toEqual(['samples@m=0.images', 'faces.images']);
  });

  test('@* is all of them in the order of the matrix, @m=0.50 is the point 0.5', async () => {
    const experiment = await load(sweep);
    expect(bindings(experiment, 'all')).toEqual({ all: ['samples@m=0.images', 'samples@m=0.5.images'] });
    expect(bindings(experiment, 'some')).toEqual({ some: ['samples@m=0.5.images', 'faces.inquiry'] });
  });

  test('one axis may be taken whole while the others are bound', async () => {
    const experiment = await load(`
stages:
  a: { uses: faces, matrix: { x: [1, 2], y: [1, 2] } }
  b: { uses: merge, matrix: { x: [1, 2] }, inputs: { parts: "a@y=*" } }
`);
    expect(bindings(experiment, 'b')).toEqual({
      'b@x=1': ['a@x=1,y=1.images', 'a@x=1,y=2.images'],
      'b@x=2': ['a@x=2,y=1.images', 'a@x=2,y=2.images'],
    });
  });

  test('an axis may name stages', async () => {
    const experiment = await load(`
stages:
  real: { uses: faces }
  synthetic: { uses: faces, seeds: [5, 6] }
  fr: { uses: train, matrix: { data: [real, synthetic] }, inputs: { dataset: "\${{ matrix.data }}" }, with: { loss: adaface } }
`);
    expect(bindings(experiment, 'fr')).toEqual({
      'fr@data=real': ['real.images'],
      'fr@data=synthetic,seed=5': ['synthetic@seed=5.images'],
      'fr@data=synthetic,seed=6': ['synthetic@seed=6.images'],
    });
  });
});

describe('seeds', () => {
  test('replicate a stage and all that depends on it, until something takes all replicas', async () => {
    const experiment = await load(`
seed: 7
stages:
  faces: { uses: faces }
  fr: { uses: train, seeds: [3, 1], inputs: { dataset: faces }, with: { loss: adaface } }
  score: { uses: evaluate, inputs: { model: fr, verification: faces.verification } }
  later: { uses: command, inputs: { result: score }, with: { run: ls } }
  together: { uses: command, inputs: { results: score@* }, with: { run: ls } }
  one: { uses: command, inputs: { result: score@seed=1 }, with: { run: ls } }
`);
    expect(experiment.stages.map((stage) => [stage.name, stage.seed])).toEqual([
      ['faces', 7],
      ['fr@seed=3', 3],
      ['fr@seed=1', 1],
      ['score@seed=1', 1],
      ['score@seed=3', 3],
      ['later@seed=1', 1],
      ['later@seed=3', 3],
      ['together', 7],
      ['one', 7],
    ]);
    expect(bindings(experiment, 'score')['score@seed=3']).toEqual(['fr@seed=3.model', 'faces.verification']);
    expect(bindings(experiment, 'together')).toEqual({
      together: ['score@seed=1.result', 'score@seed=3.result'],
    });
  });

  test('come along with a matrix that names a replicated stage', async () => {
    const experiment = await load(`
stages:
  faces: { uses: faces, seeds: [1, 2] }
  a: { uses: merge, matrix: { x: [1] }, inputs: { parts: faces } }
  b: { uses: command, matrix: a, with: { run: ls } }
`);
    expect(experiment.stages.map((stage) => stage.name)).toEqual([
      'faces@seed=1',
      'faces@seed=2',
      'a@x=1,seed=1',
      'a@x=1,seed=2',
      'b@x=1,seed=1',
      'b@x=1,seed=2',
    ]);
  });

  test('of a stage and of its input are paired by value', async () => {
    const experiment = await load(`
stages:
  faces: { uses: faces, seeds: [1, 2, 3] }
  fr: { uses: train, seeds: [2, 3], inputs: { dataset: faces }, with: { loss: adaface } }
`);
    expect(bindings(experiment, 'fr')).toEqual({
      'fr@seed=2': ['faces@seed=2.images'],
      'fr@seed=3': ['faces@seed=3.images'],
    });
  });
});

test('after waits for the points that agree, or for one that is named', async () => {
  const { stages } = await load(`
stages:
  a: { uses: faces, matrix: { x: [1, 2], y: [1, 2] } }
  b: { uses: faces, matrix: { x: [1] }, after: a }
  c: { uses: faces, after: ["a@x=2,y=1", b] }
`);
  expect(stages.filter((stage) => stage.stage !== 'a').map((stage) => [stage.name, stage.after])).toEqual([
    ['b@x=1', ['a@x=1,y=1', 'a@x=1,y=2']],
    ['c', ['a@x=2,y=1', 'b@x=1']],
  ]);
});

test('what a stage says of its attempt, and what it gets unsaid', async () => {
  const passing = ['memory', 'crash', 'timeout', 'io'];
  const { stages } = await load(`
resources: { cpus: 2 }
stages:
  faces: { uses: faces, timeout: 1.5h, retry: 2, device: cpu }
  fr: { uses: train, inputs: { dataset: faces }, with: { loss: adaface }, resources: { cpus: 4 } }
`);
  expect(
    stages.map(({ timeout, retry, device, resources }) => ({ timeout, retry, device, resources })),
  ).toEqual([
    {
      timeout: 5400,
      retry: { times: 2, on: passing, backoff: 5 },
      device: 'cpu',
      resources: { cpus: 2, gpus: 0 },
    },
    {
      timeout: undefined,
      retry: { times: 0, on: passing, backoff: 5 },
      device: undefined,
      resources: { cpus: 4, gpus: 1 },
    },
  ]);
});

test('retry is a number of times, or says after what and when', async () => {
  const { stages } = await load(`
params: { times: 3 }
stages:
  a: { uses: faces, retry: "\${{ params.times }}" }
  b: { uses: faces, retry: { times: 1, on: [error], backoff: 1.5m } }
`);
  expect(stages.map(({ retry }) => retry)).toEqual([
    { times: 3, on: ['memory', 'crash', 'timeout', 'io'], backoff: 5 },
    { times: 1, on: ['error'], backoff: 90 },
  ]);
});

test('defaults are filled in for each instance by itself', async () => {
  const { stages } = await load(sweep);
  const [first, second] = stages.filter((stage) => stage.stage === 'fr');
  expect(first!.settings).toEqual({
    loss: 'adaface',
    lambda: 0.05,
    lr: 0.1,
    milestones: [8, 12],
    network: { widths: [16, 32], blocks: 2 },
  });
  expect(second!.settings).toEqual(first!.settings);
});

describe('points are named by their values, not by the order of their axes', () => {
  const file = (baseline: string) => `
${stages(
  'fr: { uses: train, matrix: { a: [1, 0.5], b: [3] }, seeds: [1, 2], inputs: { dataset: faces }, with: { loss: adaface } }',
  'score: { uses: evaluate, matrix: fr, inputs: { model: fr, verification: faces.verification } }',
)}
report: { baseline: "${baseline}", rows: ["score@b=3,a=.50", score] }`;

  test('in the report, also without the seed, which compares replicas', async () => {
    using lab = new Lab();
    lab.write('x.yaml', file('score@b=3,a=1'));
    expect((await lab.valid()).report).toEqual({
      baseline: 'score@a=1,b=3,seed=1',
      rows: ['score@a=0.5,b=3,seed=1', 'score@a=0.5,b=3,seed=2', 'score'],
    });
  });

  test('a baseline that is several points is refused with the choices', async () => {
    using lab = new Lab();
    lab.write('x.yaml', file('score@b=3'));
    expect(await lab.screen()).toMatch(
      /'score@b=3' is 4 points; the baseline is one of them, with all its seeds\n[^]*choices: score@a=1,b=3, score@a=0\.5,b=3$/,
    );
  });

  test('on the command line', async () => {
    using lab = new Lab();
    lab.write('x.yaml', file('score@a=1,b=3'));
    const experiment = await lab.valid();
    const wanted = (only: string) => [...selectStages(experiment, { only }).wanted];
    expect(wanted('fr@seed=2,a=1')).toEqual(['fr@a=1,b=3,seed=2']);
    expect(wanted('fr@a=1')).toEqual(['fr@a=1,b=3,seed=1', 'fr@a=1,b=3,seed=2']);
    expect(wanted('score')).toHaveLength(4);
    expect(() => wanted('fr@a=2')).toThrow(/has no stage of that name/);
    expect(() => wanted('fr@c=2')).toThrow(/has no stage of that name/);
  });
});

test('zipped axes may have a value again, as long as the points differ', async () => {
  using lab = new Lab();
  lab.write('x.yaml', stages('a: { uses: faces, matrix: { zip: { x: [1, 1, 2], y: [3, 4, 4] } } }'));
  expect((await lab.valid()).stages.slice(1).map(({ name }) => name)).toEqual([
    'a@x=1,y=3',
    'a@x=1,y=4',
    'a@x=2,y=4',
  ]);
  lab.write('x.yaml', stages('a: { uses: faces, matrix: { zip: { x: [1, 1], y: [3, 3] } } }'));
  expect(await lab.screen()).toContain('the point x=1,y=3 is there twice');
});
