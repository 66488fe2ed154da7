/** Runs delivered to a real MLflow server and read back with MLflow's own client. Slow; `npm run test:mlflow`. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { readJournal } from '../../engine/journal/reader.js';
import { fittingKey } from '../../engine/tracking/fitting.js';
import { Lab } from '../engine/run/lab.js';
import { MlflowServer, type ServerRun, Wire } from './server.js';

const shared = Lab.create();
mkdirSync(shared.path('server'));
const server = new MlflowServer(shared.path('server'));
let lab: Lab;

beforeAll(() => server.start(), 180_000);
afterAll(async () => {
  await server.kill();
  await shared[Symbol.asyncDispose]();
});
beforeEach(() => {
  lab = Lab.create();
  lab.environment['MLFLOW_TRACKING_URI'] = server.uri;
});
afterEach(() => lab[Symbol.asyncDispose]());

/** Real faces, and a program that tells `points` points, `pause` ms after every 50. */
function write(experiment: string, points: number, pause: number): void {
  writeFileSync(
    lab.path('say.mjs'),
    `import { writeFileSync } from 'node:fs';
const [, , out, points, pause] = process.argv;
console.log('metric odd NaN 0');
console.log('metric tiny 1e-300 -2');
console.log('metric ../odd//name/ 7 1');
for (let i = 0; i < Number(points); i++) {
  console.log(\`metric loss/part \${Math.exp(-i / 700)} \${i}\`);
  if (i % 50 === 49) await new Promise((resolve) => setTimeout(resolve, Number(pause)));
}
writeFileSync(out + '/f', points);
`,
  );
  writeFileSync(
    lab.path('x.yaml'),
    `name: ${experiment}
params: { long: '${'long '.repeat(1500)}', 'odd//name': x }
stages:
  faces:
    uses: faces-render
    with: { size: 16, identities: 4, perIdentity: 2, inquiry: { identities: 2 }, verification: { identities: 20, pairs: 40, folds: 2 } }
  say:
    uses: command
    matrix: { k: [1, 2] }
    inputs: { faces: faces }
    with:
      run: "node say.mjs \${{ outputs.out }} ${points} ${pause} \${{ matrix.k }} \${{ inputs.faces }}"
      outputs: { out: files }
      code: [say.mjs]
`,
  );
}

const newest = () =>
  lab.path(
    'runs',
    readdirSync(lab.path('runs'))
      .filter((name) => /^\d{8}-/.test(name))
      .sort()
      .at(-1)!,
  );

/** Points as the journal has them, in the form of read_back.py. */
function journaled(stage: string): Record<string, [number, number, number][]> {
  const points: Record<string, [number, number, number][]> = {};
  for (const event of readJournal(newest())) {
    if (event.type !== 'metric' || event.stage !== stage) continue;
    (points[event.name] ??= []).push([event.step ?? 0, Date.parse(event.at), event.value ?? NaN]);
  }
  return points;
}

const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

const byName = (runs: readonly ServerRun[], name: string): ServerRun => {
  const found = runs.filter((run) => run.name === name);
  expect(found).toHaveLength(1);
  return found[0]!;
};

/** Every point of the journal is on the server, exactly once, with its value to the last bit. */
function compare(runs: readonly ServerRun[], stage: string): void {
  const there = byName(runs, stage).metrics;
  const here = journaled(stage);
  const order = (a: readonly [number, number, number], b: readonly [number, number, number]) =>
    a[0] - b[0] || a[1] - b[1];
  for (const [name, points] of Object.entries(here)) {
    const held = (there[fittingKey(name)] ?? []).map(([step, at, value]): [number, number, number] => [
      step,
      at,
      Number(value === 'nan' ? 'NaN' : value),
    ]);
    expect(held.sort(order), name).toEqual(points.sort(order));
  }
}

test('what arrives is what the journal holds, value by value', async () => {
  write('plain', 2500, 5);
  expect((await lab.cemiflow('run', 'x.yaml')).exitCode).toBe(0);
  const runs = server.readBack('plain');
  expect(runs).toHaveLength(4);
  expect(runs.every(({ status }) => status === 'FINISHED')).toBe(true);
  for (const stage of ['say@k=1', 'say@k=2']) compare(runs, stage);
  const parent = runs.find(({ tags }) => tags['cemiflow.stage'] === '')!;
  expect(byName(runs, 'say@k=1').tags).toMatchObject({
    'mlflow.parentRunId': parent.id,
    'cemiflow.cached': 'false',
  });
  expect(byName(runs, 'say@k=1').params).toMatchObject({ 'matrix.k': '1', seed: '0' });
  expect(byName(runs, 'say@k=1').datasets).toEqual([
    ['faces.images', expect.stringMatching(/^[0-9a-f]{36}$/)],
  ]);
  expect(parent.params['long']).toHaveLength(6000);
  expect(parent.params[fittingKey('odd//name')]).toBe('x');
  expect(Object.keys(parent.files)).toEqual(
    expect.arrayContaining(['experiment.yaml', 'parameters.yaml', 'report.html']),
  );
  expect(parent.tags['mlflow.note.content']).toContain('| say@k=1 | ok |');
}, 120_000);

test('models and pictures arrive byte for byte: a model with its run, pictures by the step of their point', async () => {
  const face = (k: number) => lab.path(`face${k}.png`);
  for (const k of [1, 2, 3])
    await sharp({ create: { width: 600, height: 300, channels: 3, background: { r: 80 * k, g: 0, b: 90 } } })
      .png()
      .toFile(face(k));
  writeFileSync(
    lab.path('x.yaml'),
    `name: pictured
stages:
  faces:
    uses: faces-render
    with: { size: 16, identities: 8, perIdentity: 4, verification: { identities: 20, pairs: 40, folds: 2 } }
  fr:
    uses: fr-train
    inputs: { dataset: faces }
    with:
      backbone: custom
      network: { widths: [8, 8], blocks: [1, 1], stemStride: 2, embeddingSize: 16 }
      batch: 8
      steps: 3
      onCollapse: warn
  score: { uses: evaluate, inputs: { model: fr, verification: faces.verification } }
  look:
    uses: command
    matrix: { k: [3, 1, 2] }
    with:
      run: "cp face\${{ matrix.k }}.png \${{ outputs.out }}/sample.png"
      outputs: { out: files }
      code: [face1.png, face2.png, face3.png]
`,
  );
  const { stages } = await lab.run();
  const runs = server.readBack('pictured');
  const parent = runs.find(({ tags }) => tags['cemiflow.stage'] === '')!;

  const fr = byName(runs, 'fr');
  const { path, digest } = stages.find(({ name }) => name === 'fr')!.outputs['model']!;
  const files = Object.fromEntries(readdirSync(path).map((name) => [name, sha256(join(path, name))]));
  expect(Object.keys(files)).toContain('model.safetensors');
  expect(fr.models).toEqual([
    {
      ...{ id: expect.any(String), name: 'fr', run: fr.id, type: 'fr-train', status: 'READY', files },
      params: expect.objectContaining({ steps: '3', 'network.embeddingSize': '16' }),
      tags: expect.objectContaining({ 'cemiflow.sha256': digest, 'cemiflow.stage': 'fr' }),
    },
  ]);
  expect(fr.made).toEqual([fr.models[0]!.id]);
  expect(byName(runs, 'score').uses).toEqual(fr.made);

  // MLflow's image view shows what is called so: key, step, time, id.
  const pictures = (run: ServerRun) =>
    Object.entries(run.files).flatMap(([path, digest]) => {
      const [, key, step] =
        /^images\/(\w+)\+step\+(\d+)\+timestamp\+\d{13}\+[0-9a-f-]{36}\.png$/.exec(path) ?? [];
      return key === undefined ? [] : [{ key, step, digest }];
    });
  const inOrder = [3, 1, 2].map((k, i) => ({ key: 'look', step: String(i), digest: sha256(face(k)) }));
  expect(pictures(parent).sort((a, b) => Number(a.step) - Number(b.step))).toEqual(inOrder);
  expect(pictures(byName(runs, 'look@k=1'))).toEqual([{ ...inOrder[1], step: '0' }]);
  expect(parent.tags['mlflow.loggedImages']).toBe('true');
  const small = Object.keys(parent.files).filter((path) => path.endsWith('+compressed.webp'));
  expect(small).toHaveLength(3);
  for (const path of small) {
    const shown = await fetch(
      `${server.uri}/get-artifact?run_uuid=${parent.id}&path=${encodeURIComponent(path)}`,
    );
    const { format, width, height } = await sharp(Buffer.from(await shown.arrayBuffer())).metadata();
    expect({ format, width, height }).toEqual({ format: 'webp', width: 256, height: 128 });
  }
  const plots = Object.keys(parent.files).filter((path) => /^plots\/[\w.-]+\.svg$/.test(path));
  expect(plots.length).toBeGreaterThan(0);
  for (const path of plots) {
    const shown = await fetch(
      `${server.uri}/get-artifact?run_uuid=${parent.id}&path=${encodeURIComponent(path)}`,
    );
    expect(await shown.text()).toMatch(/^<svg[^]*<\/svg>\s*$/);
  }
}, 240_000);

test('a server that is killed and comes back in the middle of a run has every point once', async () => {
  write('restarted', 6000, 60);
  const run = lab.start('run', 'x.yaml');
  await run.says('tracking: http');
  await sleep(1500);
  await server.kill();
  await run.says('the run goes on');
  await server.start();
  expect((await run).exitCode).toBe(0);
  await lab.cemiflow('sync');
  const runs = server.readBack('restarted');
  expect(runs).toHaveLength(4);
  for (const stage of ['say@k=1', 'say@k=2']) compare(runs, stage);
  expect(runs.map(({ status }) => status)).toEqual(Array(4).fill('FINISHED'));
}, 240_000);

test('a network that is cut again and again loses and doubles nothing', async () => {
  const wire = new Wire(server.port);
  await wire.open();
  lab.environment['MLFLOW_TRACKING_URI'] = wire.uri;
  write('cut', 6000, 60);
  const run = lab.start('run', 'x.yaml');
  let running = true;
  void run.finally(() => (running = false));
  while (running) {
    await sleep(150 + 400 * Math.random());
    await wire.cut();
    await wire.open();
  }
  expect((await run).exitCode).toBe(0);
  expect(wire.cuts).toBeGreaterThan(3);
  expect((await lab.cemiflow('sync')).exitCode).toBe(0);
  await wire.cut();
  const runs = server.readBack('cut');
  expect(runs).toHaveLength(4);
  for (const stage of ['say@k=1', 'say@k=2']) compare(runs, stage);
  expect(runs.some(({ status }) => status === 'RUNNING')).toBe(false);
}, 240_000);

test('a colleague who knows the server alone lists and compares the same figures', async () => {
  lab.write(
    `  faces:
    uses: faces-render
    with: { size: 16, identities: 8, perIdentity: 4, verification: { identities: 20, pairs: 40, folds: 2 } }
  fr:
    uses: fr-train
    matrix: { margin: [0, 0.2] }
    seeds: [1, 2]
    inputs: { dataset: faces }
    with:
      backbone: custom
      network: { widths: [8, 8], blocks: [1, 1], stemStride: 2, embeddingSize: 16 }
      margin: \${{ matrix.margin }}
      batch: 8
      steps: 3
      onCollapse: warn
  score: { uses: evaluate, matrix: fr, inputs: { model: fr, verification: faces.verification } }
report: { baseline: score@margin=0 }
`,
  );
  for (const seed of ['1', '1', '2'])
    expect((await lab.cemiflow('run', 'x.yaml', '--seed', seed)).exitCode).toBe(0);
  await using colleague = Lab.create();
  colleague.environment['MLFLOW_TRACKING_URI'] = server.uri;
  for (const words of [
    ['compare', 'all', '--json'],
    ['compare', 'latest'],
    ['list', 'name == "test" and metrics["avg/accuracy"] > 0', '--json'],
  ]) {
    const here = await lab.cemiflow(...words);
    expect(here).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('score') });
    const there = await colleague.cemiflow(...words, '--from', 'mlflow', '--experiment', 'test');
    expect(there).toEqual(here);
  }
  // MLflow's own fields say the same as the record does, for those who look at its pages.
  const { rows } = JSON.parse((await lab.cemiflow('compare', '--json')).stdout) as {
    rows: { metrics: Record<string, number>; gtr: number }[];
  };
  const runs = server.readBack('test').filter(({ tags }) => tags['cemiflow.run'] !== undefined);
  const newest = runs.filter(({ tags }) => tags['cemiflow.stage'] === '')[0]!;
  const values = (key: string) =>
    newest.metrics[key]!.sort((a, b) => a[0] - b[0]).map(([, , value]) => Number(value));
  expect(values('accuracy/score')).toEqual(rows.map(({ metrics }) => metrics['avg/accuracy']));
  expect(values('gtr/score')).toEqual(rows.map(({ gtr }) => gtr));
  expect(values('run/stages_ok')).toEqual([9]);
}, 240_000);

test('with the basic-auth app: refused without, delivered with name and password', async () => {
  mkdirSync(lab.path('auth'));
  const password = 'a long one, for this test';
  const guarded = new MlflowServer(lab.path('auth'), ['--app-name', 'basic-auth'], {
    MLFLOW_FLASK_SERVER_SECRET_KEY: 'for this test',
    // From 3.17 on there is no default one.
    MLFLOW_AUTH_ADMIN_PASSWORD: password,
  });
  await guarded.start();
  try {
    lab.environment['MLFLOW_TRACKING_URI'] = guarded.uri;
    write('guarded', 100, 0);
    const { exitCode, stderr } = await lab.cemiflow('run', 'x.yaml');
    expect(exitCode).toBe(0);
    expect(stderr).toContain('MLFLOW_TRACKING_USERNAME');
    const login = { MLFLOW_TRACKING_USERNAME: 'admin', MLFLOW_TRACKING_PASSWORD: password };
    Object.assign(lab.environment, login);
    expect((await lab.cemiflow('sync')).exitCode).toBe(0);
    compare(guarded.readBack('guarded', login), 'say@k=2');
  } finally {
    await guarded.kill();
  }
}, 240_000);
