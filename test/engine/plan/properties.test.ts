/**
 * Never a wrong hit, never a lost one: many random variations of one real experiment, planned against one cache. What
 * cannot change a result leaves everything cached; what can reruns its stage and what depends on it, and nothing else.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import type { LocalCache } from '../../../engine/cache/cache.js';
import { openCache } from '../../../engine/cache/cache.js';
import type { Experiment } from '../../../engine/experiment/experiment.js';
import type { Json, JsonObject } from '../../../stages/contract.js';
import { registry } from '../../../stages/registry.js';
import { temporaryCache } from '../cache/rig.js';
import {
  type Checkout,
  checkout,
  inRandomOrder,
  loaded,
  randomFrom,
  reruns,
  runAll,
  shuffled,
} from './checkout.js';
import { mkdtempSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeTree } from '../../../engine/cache/session.js';

type Random = () => number;

/** Holds the results of the experiment as it is. Tests only plan against it. */
let cache: LocalCache;
beforeAll(async () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'cemiflow-properties-')));
  cache = await openCache(join(folder, 'cache'));
  return async () => {
    await cache.close();
    removeTree(folder);
  };
});

test('of the experiment as it is every stage runs once, and then none', async () => {
  const experiment = await loaded(checkout());
  const ran = await runAll(experiment, cache);
  expect(ran.sort()).toEqual(experiment.stages.map(({ name }) => name).sort());
  // faces, photos, tool, oracle, all; fr and score at 2 losses x 3 epochs x 2 seeds.
  expect(ran).toHaveLength(5 + 12 + 12);
  expect(await reruns(await loaded(checkout()), cache)).toEqual([]);
});

/** Changes that no result can depend on. Each changes the checkout; the text is written afterwards. */
const neutral: Record<string, (it: Checkout, random: Random) => void> = {
  'reorders a matrix and seeds': ({ file }, random) => {
    const { fr } = stagesOf(file);
    const matrix = fr!['matrix'] as Record<string, Json[]>;
    for (const axis of Object.keys(matrix)) matrix[axis] = inRandomOrder(matrix[axis]!, random);
    fr!['seeds'] = inRandomOrder(fr!['seeds'] as Json[], random);
  },
  'writes an axis as a range, a zip or by include': ({ file }, random) => {
    const { fr } = stagesOf(file);
    const matrix = fr!['matrix'] as JsonObject;
    const pairs = ['arcface', 'cosface'].flatMap((loss) => [1, 2, 3].map((epochs) => ({ loss, epochs })));
    const forms: JsonObject[] = [
      { ...matrix, epochs: { from: 1, to: 3, step: 1 } },
      { include: pairs },
      { zip: { loss: pairs.map(({ loss }) => loss), epochs: pairs.map(({ epochs }) => epochs) } },
    ];
    fr!['matrix'] = forms[Math.floor(random() * forms.length)]!;
  },
  'takes a value from elsewhere: params, a profile, --set': (it, random) => {
    const { photos, oracle } = stagesOf(it.file);
    (photos!['with'] as JsonObject)['strength'] = '${{ params.margin * 10 - 1 }}';
    const value = random() < 0.5 ? 9 : 2;
    (oracle!['with'] as JsonObject)['epochs'] = value;
    if (random() < 0.5) it.set.push('stages.oracle.with.epochs=2');
    else {
      it.file['profiles'] = { p: { stages: { oracle: { with: { epochs: 2 } } } } };
      it.profiles.push('p');
    }
  },
  'writes a default out': ({ file }) => {
    const { oracle } = stagesOf(file);
    const { schema } = registry.get('fr-train')!;
    const { weightDecay, momentum } = schema['properties'] as Record<string, { default: Json }>;
    Object.assign(oracle!['with'] as JsonObject, {
      weightDecay: weightDecay!.default,
      momentum: momentum!.default,
    });
  },
  'says how stages are attempted, on what, in which order': ({ file }, random) => {
    const { oracle, photos } = stagesOf(file);
    Object.assign(oracle!, { retry: 3, timeout: '3h', after: ['photos'] });
    if (random() < 0.5) photos!['resources'] = { cpus: 1 };
    file['description'] = `asks ${random()}`;
    file['name'] = 'renamed';
    file['report'] = { title: 'Other words' };
  },
  'has a stage more, and a param': ({ file }) => {
    file.params['unused'] = 3;
    file.stages['fresh'] = { uses: './stages/own.mjs', inputs: { data: 'path:sharpen.py' } };
  },
  'upgrades a package that nothing uses': ({ files }, random) => {
    files['node_modules/other/package.json'] =
      `{ "name": "other", "version": "2.0.${Math.floor(random() * 9)}" }`;
  },
  "explains a stage of one's own, and puts its lines otherwise": ({ files }, random) => {
    const text = files['stages/own.mjs']!.replaceAll('\n', random() < 0.5 ? '\n\n' : '\r\n\t');
    files['stages/own.mjs'] = `// Note ${random()}, see import './unused.mjs'.\n${text}/* the end */`;
  },
  'has other files beside': ({ files }) => {
    files['README.md'] = 'notes';
    files['stages/unused.mjs'] = 'export {};';
  },
};

const stagesOf = (file: Checkout['file']): Record<string, JsonObject | undefined> => file.stages;

/** Other names for all stages, everywhere they are named. */
function renamed(it: Checkout, random: Random): Checkout {
  let text = JSON.stringify({ ...it.file, report: {} });
  let { set } = it;
  for (const name of Object.keys(it.file.stages)) {
    const other = `${name}-${Math.floor(random() * 1000)}`;
    // As a key, as the whole of a reference, or before its output or point; not within other words.
    text = text.replaceAll(new RegExp(`"${name}(?=["@.])`, 'g'), `"${other}`);
    set = set.map((one) => one.replace(`stages.${name}.`, `stages.${other}.`));
  }
  return { ...it, set, file: JSON.parse(text) as Checkout['file'] };
}

/** Text with comments, empty lines and another style of quotes. */
function written(file: JsonObject, random: Random): string {
  const text = stringify(file, {
    aliasDuplicateObjects: false,
    indent: random() < 0.5 ? 2 : 4,
    defaultStringType: random() < 0.5 ? 'QUOTE_DOUBLE' : 'PLAIN',
    defaultKeyType: 'PLAIN',
    collectionStyle: random() < 0.2 ? 'flow' : 'any',
    lineWidth: 0,
  });
  const lines = text.split('\n').flatMap((line) => {
    const comment = random() < 0.2 ? [`# ${Math.floor(random() * 1e6)} words: 1`] : [];
    return [...comment, ...(random() < 0.1 ? [''] : []), line];
  });
  return lines.join(random() < 0.2 ? '\r\n' : '\n');
}

/** A checkout in a new folder after some neutral changes. `rename` false keeps the names, for comparing with a graph. */
async function vary(it: Checkout, random: Random, rename = true): Promise<Experiment> {
  const named = rename && random() < 0.5 ? renamed(it, random) : it;
  return loaded(named, written(shuffled(named.file, random), random));
}

describe('what cannot change a result leaves all cached', () => {
  test.each(Object.keys(neutral))('it %s', async (name) => {
    const it = checkout();
    neutral[name]!(it, randomFrom(1));
    expect(withoutFresh(await reruns(await loaded(it), cache))).toEqual([]);
  });

  test.each(Array.from({ length: 60 }, (_, index) => index))(
    'many of these at once, names, key order and comments: variation %i',
    async (seed) => {
      const random = randomFrom(seed);
      const it = checkout();
      // Two ways to write the matrix exclude each other; the other changes go together.
      const chosen = Object.keys(neutral).filter(() => random() < 0.5);
      for (const name of chosen.filter(
        (one) =>
          one !== 'reorders a matrix and seeds' ||
          !chosen.some((other) => other.startsWith('writes an axis')),
      ))
        neutral[name]!(it, random);
      expect(withoutFresh(await reruns(await vary(it, random), cache)), chosen.join(', ')).toEqual([]);
    },
  );
});

const withoutFresh = (names: string[]) => names.filter((name) => !name.startsWith('fresh'));

interface Change {
  /** Makes the change; may make another one each time. */
  change: (it: Checkout, random: Random) => void;
  /** Stages or instances it is made to. What depends on them follows from the graph. */
  touches: (instance: { name: string; stage: string; point: Readonly<Record<string, unknown>> }) => boolean;
}

const stage =
  (...names: string[]): Change['touches'] =>
  (instance) =>
    names.includes(instance.stage);
const setting = (name: string, key: string, value: (random: Random) => Json): Change => ({
  change: ({ file }, random) => {
    (stagesOf(file)[name]!['with'] as JsonObject)[key] = value(random);
  },
  touches: stage(name),
});
const anInteger = (random: Random) => 50 + Math.floor(random() * 1000);

const matters: Record<string, Change> = {
  'a param that one stage uses': {
    change: ({ file }, random) => (file.params['margin'] = 0.41 + random() / 10),
    touches: stage('oracle'),
  },
  'a param that the first stage uses': {
    change: ({ file }, random) => (file.params['identities'] = anInteger(random)),
    touches: stage('faces'),
  },
  'a param by --set': {
    change: ({ set }, random) => set.push(`params.identities=${anInteger(random)}`),
    touches: stage('faces'),
  },
  'a setting of an own stage': setting('photos', 'strength', anInteger),
  'a setting within a setting': setting('photos', 'map', (random) => ({ a: 1, b: [2, anInteger(random)] })),
  'the order of a list': setting('photos', 'map', () => ({ a: 1, b: [3, 2] })),
  'the type of a value': setting('photos', 'map', () => ({ a: '1', b: [2, 3] })),
  'what a command runs': setting('tool', 'run', (random) => `echo ${anInteger(random)}`),
  'an environment variable of a command': setting('tool', 'env', (random) => ({
    LEVEL: `${anInteger(random)}`,
  })),
  'the seed': {
    change: ({ file }, random) => (file['seed'] = anInteger(random)),
    // Evaluation has no seed, own stages say they have none; fr and what comes of it have seeds of their own.
    touches: stage('faces', 'tool', 'oracle'),
  },
  'the seeds of a stage': {
    change: ({ file }) => (stagesOf(file)['fr']!['seeds'] = [1, 7]),
    touches: ({ stage: name, point }) => name === 'fr' && point['seed'] === 7,
  },
  'the points of a matrix': {
    change: ({ file }) => ((stagesOf(file)['fr']!['matrix'] as JsonObject)['epochs'] = [2, 4, 1]),
    touches: ({ stage: name, point }) => name === 'fr' && point['epochs'] === 4,
  },
  'threads of one stage': {
    change: ({ file }, random) =>
      (stagesOf(file)['oracle']!['resources'] = { cpus: 3 + Math.floor(random() * 9) }),
    touches: stage('oracle'),
  },
  'threads of all': {
    change: ({ file }, random) => (file['resources'] = { cpus: 2 + Math.floor(random() * 9) }),
    // The oracle states its own.
    touches: ({ stage: name }) => name !== 'oracle',
  },
  "a file's content": {
    change: ({ files }, random) => (files['data/deep/b.txt'] = `${random()}`),
    touches: stage('photos'),
  },
  "a file's name": {
    change: ({ files }) => {
      files['data/c.txt'] = files['data/a.txt']!;
      delete files['data/a.txt'];
    },
    touches: stage('photos'),
  },
  'a file more': {
    change: ({ files }, random) => (files[`data/${anInteger(random)}.txt`] = ''),
    touches: stage('photos'),
  },
  'the program of a command': {
    change: ({ files }, random) => (files['sharpen.py'] = `print(${random()})`),
    touches: stage('tool'),
  },
  'the code of an own stage': {
    change: ({ files }, random) => (files['stages/own.mjs'] += `export const more = ${random()};\n`),
    touches: stage('photos', 'all'),
  },
  'what that code imports': {
    change: ({ files }, random) => (files['stages/helper.mjs'] += `export const more = ${random()};\n`),
    touches: stage('photos', 'all'),
  },
  'the version of a package that it uses': {
    change: ({ files }, random) =>
      (files['node_modules/used/package.json'] =
        `{ "name": "used", "version": "1.1.${anInteger(random)}", "main": "index.mjs" }`),
    touches: stage('photos', 'all'),
  },
  'an input more': {
    change: ({ file }) => ((stagesOf(file)['photos']!['inputs'] as JsonObject)['more'] = 'path:sharpen.py'),
    touches: stage('photos'),
  },
  'another output of the same stage': {
    change: ({ file }) => ((stagesOf(file)['oracle']!['inputs'] as JsonObject)['dataset'] = 'faces.inquiry'),
    touches: stage('oracle'),
  },
  'another kind': {
    change: ({ file }) =>
      (stagesOf(file)['all'] = { uses: 'command', inputs: { data: 'tool' }, with: { run: 'ls' } }),
    touches: stage('all'),
  },
};

/** Those that are touched, and all that depends on them, in the experiment's own order. */
function expected(experiment: Experiment, { touches }: Change): string[] {
  const dirty = new Set<string>();
  for (const instance of experiment.stages) {
    const sources = Object.values(instance.inputs).flat();
    if (touches(instance) || sources.some((source) => source.from === 'stage' && dirty.has(source.stage)))
      dirty.add(instance.name);
  }
  return [...dirty];
}

describe('what can change a result reruns its stage and what depends on it, and nothing else', () => {
  test.each(Object.keys(matters))('%s', async (name) => {
    const it = checkout();
    matters[name]!.change(it, randomFrom(1));
    const experiment = await loaded(it);
    const should = expected(experiment, matters[name]!);
    expect(should).not.toEqual([]);
    expect(await reruns(experiment, cache)).toEqual(should);
  });

  test.each(Array.from({ length: 60 }, (_, index) => index))(
    'one or two of these among changes that do not matter: variation %i',
    async (seed) => {
      const random = randomFrom(1000 + seed);
      const it = checkout();
      for (const name of [
        'upgrades a package that nothing uses',
        'has other files beside',
        'writes a default out',
      ])
        if (random() < 0.5) neutral[name]!(it, random);
      const chosen = inRandomOrder(Object.keys(matters), random).slice(0, 1 + Math.floor(random() * 2));
      for (const name of chosen) matters[name]!.change(it, random);
      const experiment = await vary(it, random, false);
      // Where one takes back what the other did, nothing is left of it: a stage is expected if any still reaches it.
      const should = new Set(chosen.flatMap((name) => expected(experiment, matters[name]!)));
      const overwritten =
        chosen.filter((name) => /^(the type of|the order of|a setting within)/.test(name)).length > 1;
      const found = await reruns(experiment, cache);
      if (!overwritten) expect(found.sort(), chosen.join(', ')).toEqual([...should].sort());
      else expect(found).toContain('photos');
    },
  );

  test('each setting of a stage: its value is in the key', async () => {
    const { schema } = registry.get('fr-train')!;
    const settings = Object.entries(
      schema['properties'] as Record<string, { type?: string; enum?: Json[]; default?: Json }>,
    );
    const tried: string[] = [];
    for (const [name, { type, enum: choices, default: standard }] of settings) {
      const other = choices
        ? choices.find((choice) => choice !== standard && choice !== 'adaface')
        : type === 'boolean'
          ? !standard
          : type === 'integer'
            ? Number(standard ?? 1) + 1
            : type === 'number'
              ? Number(standard ?? 1) * 0.5 + 0.01
              : undefined;
      if (other === undefined) continue;
      const it = checkout();
      (stagesOf(it.file)['oracle']!['with'] as JsonObject)[name] = other;
      const experiment = await loaded(it);
      expect(await reruns(experiment, cache), `${name}: ${String(other)}`).toEqual(
        expected(experiment, { change: () => undefined, touches: stage('oracle') }),
      );
      tried.push(name);
    }
    expect(tried.length).toBeGreaterThan(12);
  });
});

test('m from 5 points to 21 runs 16, and back none; the order of running is that of the file', async () => {
  const own = await temporaryCache();
  const points = (m: Json) => {
    const it = checkout();
    it.file.stages = {
      photos: it.file.stages['photos']!,
      samples: {
        uses: './stages/own.mjs',
        matrix: { m },
        inputs: { data: 'photos' },
        with: { strength: '${{ matrix.m }}' },
      },
    };
    it.file['report'] = {};
    return loaded(it);
  };
  const five = await points({ from: -1, to: 1, step: 0.5 });
  const many = await points({ from: -1, to: 1, step: 0.1 });
  expect(await runAll(five, own)).toHaveLength(1 + 5);
  const ran = await runAll(many, own);
  expect(ran).toHaveLength(16);
  expect(ran).not.toContain('samples@m=0.5');
  expect(await reruns(five, own)).toEqual([]);
});

test('a stage that comes out the same keeps what is below cached, whatever made it run', async () => {
  const own = await temporaryCache();
  const isTool = (name: string) => name === 'tool';
  await runAll(await loaded(checkout()), own, isTool);
  const it = checkout();
  it.files['sharpen.py'] = 'print(2)';
  const changed = await loaded(it);
  expect(await reruns(changed, own)).toEqual(['tool', 'all']);
  expect(await runAll(changed, own, isTool)).toEqual(['tool']);
  it.files['sharpen.py'] = 'print(3)';
  expect(await runAll(await loaded(it), own)).toEqual(['tool', 'all']);
});
