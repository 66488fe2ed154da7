/** extends, profiles, --set and --seed, and where values then come from. */
import { resolve } from 'node:path';
import { parse } from 'yaml';
import { describe, expect, test } from 'vitest';
import { Lab } from './lab.js';

const composed = (experiment: { composed: string }): unknown => parse(experiment.composed);

describe('extends', () => {
  test('maps merge, lists and scalars replace, null deletes', async () => {
    using lab = new Lab();
    lab.write(
      'base.yaml',
      `
      params: { identities: 10, list: [1, 2, 3], deep: { a: 1, b: 2 } }
      seed: 3
      stages:
        faces: { uses: faces, with: { identities: 5, size: 32 } }
        look: { uses: faces }
      `,
    );
    lab.write(
      'x.yaml',
      `
      extends: base.yaml
      params: { list: [9], deep: { b: 3, c: 4 } }
      stages:
        faces: { with: { size: 64, identities: null } }
        look: null
      `,
    );
    const experiment = await lab.valid();
    expect(composed(experiment)).toEqual({
      params: { identities: 10, list: [9], deep: { a: 1, b: 3, c: 4 } },
      seed: 3,
      stages: { faces: { uses: 'faces', with: { size: 64 } } },
    });
    expect(experiment.stages.map((stage) => [stage.name, stage.settings])).toEqual([
      ['faces', { size: 64, identities: 10, glasses: false }],
    ]);
  });

  test('of several, later ones win; each is relative to the file that names it', async () => {
    using lab = new Lab();
    lab.write('base/one.yaml', 'extends: ../common.yaml\nparams: { a: 1, b: 1 }');
    lab.write('base/two.yaml', 'extends: ../common.yaml\nparams: { b: 2 }');
    lab.write('common.yaml', 'params: { a: 0, b: 0, c: 0 }\nstages: { faces: { uses: faces } }');
    lab.write('x.yaml', 'extends: [base/one.yaml, base/two.yaml]\nname: mine');
    // two.yaml carries common.yaml's a: 0 with it.
    expect((await lab.valid()).params).toEqual({ a: 0, b: 2, c: 0 });
  });

  test('a path is relative to the file that says it', async () => {
    using lab = new Lab();
    lab.write('base/photos/a.jpg', '').write('photos/a.jpg', '');
    lab.write(
      'base/base.yaml',
      'stages: { here: { uses: command, inputs: { data: "path:photos" }, with: { run: ls } } }',
    );
    lab.write(
      'x.yaml',
      'extends: base/base.yaml\nstages: { there: { uses: command, inputs: { data: "path:photos" }, with: { run: ls } } }',
    );
    const { stages } = await lab.valid();
    expect(stages.map((stage) => stage.inputs['data'])).toEqual([
      [{ from: 'path', path: resolve(lab.folder, 'base/photos') }],
      [{ from: 'path', path: resolve(lab.folder, 'photos') }],
    ]);
  });
});

describe('profiles', () => {
  const file = `
    params: { identities: 10, size: 32 }
    profiles:
      paper: { params: { identities: 10572 }, stages: { more: null } }
      big: { params: { size: 112, identities: 20 } }
    stages:
      faces: { uses: faces, with: { identities: "\${{ params.identities }}", size: "\${{ params.size }}" } }
      more: { uses: faces }
    `;

  test('apply in the order of the command line', async () => {
    using lab = new Lab();
    lab.write('x.yaml', file);
    const settings = async (...profiles: string[]) => (await lab.valid({ profiles })).stages[0]!.settings;
    expect(await settings()).toMatchObject({ identities: 10, size: 32 });
    expect(await settings('paper', 'big')).toMatchObject({ identities: 20, size: 112 });
    expect(await settings('big', 'paper')).toMatchObject({ identities: 10572, size: 112 });
  });

  test('delete with null, and are not part of what is composed', async () => {
    using lab = new Lab();
    lab.write('x.yaml', file);
    const experiment = await lab.valid({ profiles: ['paper'] });
    expect(experiment.stages.map((stage) => stage.name)).toEqual(['faces']);
    expect(experiment.composed).not.toContain('profiles');
  });
});

describe('--set', () => {
  const file = `
    params: { identities: 10, pairs: null }
    stages:
      faces: { uses: faces, with: { identities: "\${{ params.identities }}" } }
      samples:
        uses: faces
        matrix: { m: { from: -1, to: 1, step: 0.5 } }
    report: { plots: [roc, samples] }
    `;

  test('replaces a range by a list, an item of a list by another, and comes after profiles', async () => {
    using lab = new Lab();
    lab.write('x.yaml', `profiles: { p: { params: { identities: 20 } } }\n${file.replace(/^ {4}/gm, '')}`);
    const experiment = await lab.valid({
      profiles: ['p'],
      set: ['stages.samples.matrix.m=[0,0.5]', 'params.identities=50', 'report.plots.0=loss', 'seed=4'],
    });
    expect(experiment.stages.map((stage) => stage.name)).toEqual(['faces', 'samples@m=0', 'samples@m=0.5']);
    expect(experiment.params).toEqual({ identities: 50 });
    expect(experiment.report.plots).toEqual(['loss', 'samples']);
    expect(experiment.seed).toBe(4);
  });

  test('later ones win, --seed wins over all', async () => {
    using lab = new Lab();
    lab.write('x.yaml', file);
    const experiment = await lab.valid({ set: ['seed=4', 'seed=5', 'params.identities=7'], seed: 6 });
    expect([experiment.seed, experiment.params['identities']]).toEqual([6, 7]);
    expect(experiment.stages.every((stage) => stage.seed === 6)).toBe(true);
  });

  test('adds a stage or a setting that was not there, and removes one with null or nothing', async () => {
    using lab = new Lab();
    lab.write('x.yaml', file);
    const experiment = await lab.valid({
      set: [
        'stages.more={uses: faces, with: {size: 64}}',
        'stages.faces.with.glasses=true',
        'stages.samples=',
      ],
    });
    expect(experiment.stages.map((stage) => [stage.name, stage.settings])).toEqual([
      ['faces', { identities: 10, glasses: true, size: 112 }],
      ['more', { identities: 10, glasses: false, size: 64 }],
    ]);
  });

  test('a path that comes from the command line is relative to where that was typed', async () => {
    using lab = new Lab();
    lab.write('photos/a.jpg', '');
    lab.write(
      'experiments/x.yaml',
      `
      params: { photos: null }
      stages:
        c: { uses: command, inputs: { data: "path:\${{ params.photos }}" }, with: { run: ls } }
      `,
    );
    const { stages } = await lab.valid({ set: ['params.photos=photos'] }, 'experiments/x.yaml');
    expect(stages[0]!.inputs['data']).toEqual([{ from: 'path', path: resolve(lab.folder, 'photos') }]);
  });

  test('a param that is null leaves an optional input out', async () => {
    using lab = new Lab();
    lab.write('list.txt', '');
    lab.write(
      'x.yaml',
      `
      params: { list: null }
      stages:
        faces: { uses: faces }
        a: { uses: train, inputs: { dataset: faces, photos: "path:\${{ params.list }}" }, with: { loss: adaface } }
        b: { uses: train, inputs: { dataset: faces, photos: "\${{ params.list && 'path:list.txt' }}" }, with: { loss: adaface } }
      `,
    );
    const inputs = async (...set: string[]) =>
      (await lab.valid({ set })).stages.slice(1).map((stage) => Object.keys(stage.inputs));
    expect(await inputs()).toEqual([['dataset'], ['dataset']]);
    expect(await inputs('params.list=list.txt')).toEqual([
      ['dataset', 'photos'],
      ['dataset', 'photos'],
    ]);
  });
});

test('each leaf knows where it came from', async () => {
  using lab = new Lab();
  lab.write('base/faces.yaml', 'stages:\n  faces: { uses: faces, with: { size: 32 } }');
  lab.write(
    'x.yaml',
    'extends: base/faces.yaml\nseed: 3\nparams: { a: 1 }\nprofiles:\n  paper: { stages: { faces: { with: { glasses: true } } } }',
  );
  const { origins } = await lab.valid({ profiles: ['paper'], set: ['params.a=[5, 6]'] });
  const file = resolve(lab.folder, 'x.yaml');
  expect(origins).toEqual({
    '/stages/faces/uses': {
      file: resolve(lab.folder, 'base/faces.yaml'),
      line: 2,
      column: 18,
      origin: 'extends base/faces.yaml',
    },
    '/stages/faces/with/size': {
      file: resolve(lab.folder, 'base/faces.yaml'),
      line: 2,
      column: 39,
      origin: 'extends base/faces.yaml',
    },
    '/seed': { file, line: 2, column: 7 },
    '/stages/faces/with/glasses': { file, line: 5, column: 48, origin: 'profile paper' },
    '/params/a/0': { file: '--set', line: 1, column: 17, origin: '--set params.a=[5, 6]' },
    '/params/a/1': { file: '--set', line: 1, column: 20, origin: '--set params.a=[5, 6]' },
  });
});

test('anchors and aliases within a file are YAML as usual, and the composed text has none', async () => {
  using lab = new Lab();
  lab.write(
    'x.yaml',
    'stages:\n  a: { uses: faces, with: &small { size: 32 } }\n  b: { uses: faces, with: *small }',
  );
  const experiment = await lab.valid();
  expect(experiment.stages.map((stage) => stage.settings['size'])).toEqual([32, 32]);
  expect(experiment.composed).not.toMatch(/[&*]/);
});

test('a file without a name is called as the file, and Windows line ends and a byte order mark are fine', async () => {
  using lab = new Lab();
  lab.write('my-faces.yaml', '\uFEFFstages:\r\n  faces: { uses: faces }\r\n');
  expect((await lab.valid({}, 'my-faces.yaml')).name).toBe('my-faces');
  lab.write('x.yaml', 'stages:\r\n  faces:\r\n    uses: facse\r\n');
  expect(await lab.screen()).toContain('x.yaml:3:11  there is no stage kind');
});
