/** Forecasts from results made by hand: what is taken, what is scaled, and what is not claimed. */
import { expect, test } from 'vitest';
import type { Digest, StageKey } from '../../../engine/digest.js';
import type { StageInstance } from '../../../engine/experiment/experiment.js';
import { forecast, type Earlier } from '../../../engine/plan/forecast.js';
import type { Decision, StageResult } from '../../../engine/plan/plan.js';
import type { JsonObject } from '../../../stages/contract.js';

interface Made {
  kind?: string;
  settings?: JsonObject;
  inputs?: Record<string, string>;
  seconds?: number;
  device?: string;
  stage?: string;
  outputs?: Record<string, number>;
  peak?: number;
}

/** An earlier result; the digest of an output is `<stage>.<output>`. */
function made(options: Made = {}): StageResult {
  const { kind = 'fr-train', settings = {}, inputs = {}, stage = 'fr', outputs = { out: 1000 } } = options;
  return {
    key: 'k' as StageKey,
    components: {
      kind,
      code: 'c' as Digest,
      codeParts: {},
      settings,
      inputs: Object.fromEntries(Object.entries(inputs).map(([name, digest]) => [name, [digest as Digest]])),
      seed: 1,
      cpus: 1,
    },
    outputs: Object.fromEntries(
      Object.entries(outputs).map(([output, bytes]) => [
        output,
        { type: 'files', digest: `${stage}.${output}` as Digest, bytes, files: 1 },
      ]),
    ),
    metrics: {},
    warnings: [],
    by: {
      run: 'r1',
      stage,
      at: '2026-01-01T00:00:00Z',
      seconds: options.seconds ?? 10,
      peakRssBytes: options.peak ?? 500,
      device: options.device ?? 'onnx',
      attempt: 1,
    },
  };
}

function earlier(results: readonly StageResult[]): Earlier {
  const outputs = results.flatMap((result) => Object.values(result.outputs));
  return {
    ofKind: (kind) => results.filter(({ components }) => components.kind === kind),
    bytesOf: (digest) => outputs.find((output) => output.digest === digest)?.bytes,
  };
}

interface Wanted {
  kind?: string;
  settings?: JsonObject;
  inputs?: Record<string, string>;
  device?: boolean;
  cpus?: number;
}

function stage(name: string, options: Wanted = {}): StageInstance {
  const { kind = 'fr-train', settings = {}, inputs = {}, device = true, cpus = 1 } = options;
  return {
    name,
    kind,
    declaration: { device },
    settings,
    inputs: Object.fromEntries(
      Object.entries(inputs).map(([input, from]) => [
        input,
        [{ from: 'stage', stage: from, output: 'out', type: 'files' }],
      ]),
    ),
    resources: { cpus, gpus: 0 },
  } as unknown as StageInstance;
}

const run = (name: string): Decision => ({ act: 'maybe', stage: name, because: [{ kind: 'never-ran' }] });

/** The forecast of stages that all run, the last one looked at. */
function of(stages: StageInstance[], results: StageResult[], { device = 'auto', cached = {} } = {}) {
  const decisions = new Map<string, Decision>(stages.map(({ name }) => [name, run(name)]));
  for (const [name, result] of Object.entries(cached as Record<string, StageResult>)) {
    const { key, components } = result;
    decisions.set(name, { act: 'reuse', stage: name, key, components, result });
  }
  const { stages: known, unknown } = forecast(stages, decisions, earlier(results), device);
  return known.get(stages.at(-1)!.name) ?? unknown.find(({ name }) => name === stages.at(-1)!.name);
}

const training = { steps: 100, batch: 64, lr: 0.1, backbone: 'ir50' };

test('the same settings take as long as before', () => {
  expect(of([stage('fr', { settings: training })], [made({ settings: training, seconds: 12 })])).toEqual({
    name: 'fr',
    seconds: 12,
    diskBytes: 1000,
    peakRssBytes: 500,
    nearness: 'same',
    scale: 1,
    from: { run: 'r1', stage: 'fr' },
    differs: [],
  });
});

test('of several equal ones the median counts, and the largest memory', () => {
  const results = [8, 30, 10].map((seconds, i) => made({ settings: training, seconds, peak: 100 * (i + 1) }));
  expect(of([stage('fr', { settings: training })], results)).toMatchObject({
    seconds: 10,
    peakRssBytes: 300,
  });
});

test('three times the steps at half the batch take one and a half times as long; the learning rate costs nothing', () => {
  const settings = { ...training, steps: 300, batch: 32, lr: 0.01 };
  expect(of([stage('fr', { settings })], [made({ settings: training, seconds: 10 })])).toMatchObject({
    seconds: 15,
    nearness: 'scaled',
    scale: 1.5,
    differs: [],
    // A model is as large after 300 steps.
    diskBytes: 1000,
  });
});

test('memory follows the batch and the size of the images, and is estimated where nothing has run', () => {
  const faces = (size: number) => stage('faces', { kind: 'faces-render', settings: { size }, device: false });
  const settings = { ...training, backbone: 'small' };
  const fr = (batch: number) =>
    stage('fr', { settings: { ...settings, batch }, inputs: { dataset: 'faces' } });
  const peak = (size: number, batch: number, results: StageResult[]) => {
    const found = of([faces(size), fr(batch)], results) as { peakRssBytes: number };
    return found.peakRssBytes / 2 ** 20;
  };
  // Measured: 312 MiB with 128 images of 32 px, 679 with 512.
  expect(peak(32, 128, [])).toBeGreaterThan(312 / 1.5);
  expect(peak(32, 128, [])).toBeLessThan(312 * 1.5);
  const before = [made({ settings: { ...settings, batch: 128 }, peak: 312 * 2 ** 20 })];
  expect(peak(32, 128, before)).toBeCloseTo(312, 3);
  expect(peak(32, 512, before)).toBeGreaterThan(679 / 1.5);
  expect(peak(32, 512, before)).toBeLessThan(679 * 1.5);
  // 12 times the pixels: the run at 32 px must not hide that.
  expect(peak(112, 128, before)).toBeGreaterThan(1000);
});

test('another network is said, and not scaled by', () => {
  const results = [made({ settings: training, seconds: 10 })];
  expect(of([stage('fr', { settings: { ...training, backbone: 'ir100' } })], results)).toMatchObject({
    seconds: 10,
    nearness: 'near',
    differs: ['backbone'],
  });
});

test('the nearest result is taken: the same network with other steps before another network with the same', () => {
  const results = [
    made({ settings: { ...training, backbone: 'ir100' }, seconds: 99, stage: 'big' }),
    made({ settings: { ...training, steps: 50 }, seconds: 5, stage: 'short' }),
  ];
  expect(of([stage('fr', { settings: training })], results)).toMatchObject({
    seconds: 10,
    scale: 2,
    from: { stage: 'short' },
  });
});

test('epochs are scaled by the size of the data, also of data that is still to be made', () => {
  const rendered = { identities: 10, perIdentity: 10, size: 32 };
  const results = [
    made({ kind: 'faces-render', settings: rendered, stage: 'faces', outputs: { out: 3000 }, seconds: 1 }),
    made({ settings: { epochs: 4 }, inputs: { dataset: 'faces.out' }, seconds: 10 }),
  ];
  const faces = stage('faces', {
    kind: 'faces-render',
    settings: { ...rendered, identities: 20 },
    device: false,
  });
  const fr = stage('fr', { settings: { epochs: 2 }, inputs: { dataset: 'faces' } });
  expect(of([faces], results)).toMatchObject({ seconds: 2, diskBytes: 6000, nearness: 'scaled' });
  // Twice the data, half the epochs.
  expect(of([faces, fr], results)).toMatchObject({ seconds: 10, scale: 1, nearness: 'same' });
});

test('where data of unknown size decides, that epochs differ is said', () => {
  const fr = stage('fr', { settings: { epochs: 2 }, inputs: { dataset: 'unknown' } });
  expect(of([fr], [made({ settings: { epochs: 4 }, seconds: 10 })])).toMatchObject({
    seconds: 10,
    nearness: 'near',
    differs: ['epochs'],
  });
});

test('steps and epochs are not compared with each other', () => {
  const results = [made({ settings: { steps: 100, batch: 2 } })];
  expect(of([stage('fr', { settings: { epochs: 2, batch: 2 } })], results)).toMatchObject({
    scale: 1,
    nearness: 'near',
    differs: ['epochs', 'steps'],
  });
});

test('a larger model to embed with differs, a set is scaled by', () => {
  const [small, large] = [
    made({ stage: 'small', outputs: { out: 1000 } }),
    made({ stage: 'large', outputs: { out: 4000 } }),
  ];
  const pairs = made({ kind: 'faces-render', stage: 'pairs', outputs: { out: 500 } });
  const scored = made({
    kind: 'evaluate',
    inputs: { model: 'small.out', verification: 'pairs.out' },
    seconds: 2,
  });
  const twice = made({ kind: 'faces-render', stage: 'twice', outputs: { out: 1000 } });
  const results = [small, large, pairs, twice, scored];
  const score = (model: string, verification: string) =>
    of(
      [
        stage(model),
        stage(verification),
        stage('score', { kind: 'evaluate', inputs: { model, verification } }),
      ],
      results,
      { cached: { small, large, pairs, twice } },
    );
  expect(score('small', 'pairs')).toMatchObject({ seconds: 2, nearness: 'same' });
  expect(score('small', 'twice')).toMatchObject({ seconds: 4, nearness: 'scaled' });
  expect(score('large', 'pairs')).toMatchObject({ seconds: 2, nearness: 'near', differs: ['input model'] });
});

test('nothing is claimed without an earlier run, or from another device', () => {
  const results = [made({ device: 'wasm' }), made({ device: 'onnx' })];
  const fr = stage('fr');
  expect(of([fr], [])).toEqual({ name: 'fr', because: 'no earlier run of fr-train' });
  expect(of([fr], results, { device: 'webgpu' })).toEqual({
    name: 'fr',
    because: 'no earlier run of fr-train on webgpu',
  });
  // auto: what it took last.
  expect(of([fr], results)).toMatchObject({ nearness: 'same' });
  // It does not compute on a device, so it does not matter which.
  expect(of([stage('fr', { device: false })], results, { device: 'webgpu' })).toMatchObject({ seconds: 10 });
});

test('another program is no earlier run, the same program with other threads is a near one', () => {
  const command = (text: string) =>
    stage('b', { kind: 'command', settings: { run: text }, device: false, cpus: 2 });
  const results = [made({ kind: 'command', settings: { run: 'sort' }, stage: 'a', seconds: 3 })];
  expect(of([command('train')], results)).toEqual({ name: 'b', because: 'no earlier run of this program' });
  expect(of([command('sort')], results)).toMatchObject({ seconds: 3, differs: ['resources.cpus'] });
});
