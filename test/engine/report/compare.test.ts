import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { JsonObject } from '../../../stages/contract.js';
import type { Digest } from '../../../engine/digest.js';
import type { InputSource, Scalar } from '../../../engine/experiment/experiment.js';
import type { JournalEvent, PlannedStage, StageStatus } from '../../../engine/journal/events.js';
import { compareRuns } from '../../../engine/report/compare.js';
import { html } from '../../../engine/report/page.js';
import { compareSource, writeReport } from '../../../engine/report/report.js';
import { foldRun, type RunRecord } from '../../../engine/report/run.js';
import { csvTable, markdownTable, terminalTable } from '../../../engine/report/table.js';

interface Stage {
  kind: string;
  inputs?: Record<string, string>;
  point?: Record<string, Scalar>;
  metrics?: Record<string, number>;
  status?: StageStatus;
  settings?: JsonObject;
  seed?: number;
  /** Of the result: equal where a second run found it in the cache. */
  key?: string;
}

/** A run as its journal would tell it; `stages` by instance name. Each stage has one output, whose digest is its name. */
function journalled(
  stages: Record<string, Stage>,
  report: RunRecord['started']['report'] = {},
  id = 'r1',
): RunRecord {
  const at = '2026-01-02T03:04:05.000Z';
  const planned = Object.entries(stages).map(([name, stage]): PlannedStage => {
    const { kind, inputs = {}, point = {}, settings = {}, seed = 1 } = stage;
    const sources = Object.entries(inputs).map(([input, stage]): [string, InputSource[]] => [
      input,
      [{ from: 'stage', stage, output: 'out', type: 'files' }],
    ]);
    return {
      name,
      stage: name.split('@')[0]!,
      kind,
      point,
      settings,
      inputs: Object.fromEntries(sources),
      outputs: { out: { type: 'files' } },
      seed,
    };
  });
  const events: JournalEvent[] = [
    {
      at,
      type: 'run-started',
      run: id,
      name: 'x',
      file: '/x.yaml',
      command: ['run', 'x.yaml'],
      pid: 1,
      host: 'h',
      device: 'cpu',
      version: '0',
      seed: 1,
      params: {},
      report,
      stages: planned,
    },
    ...Object.entries(stages).map(([stage, { status = 'ok', metrics = {}, key }]): JournalEvent => ({
      at,
      type: 'stage-ended',
      stage,
      status,
      seconds: 1,
      peakRssBytes: 1,
      ...(key === undefined ? {} : { key }),
      outputs: { out: { type: 'files', digest: stage as Digest, bytes: 1, files: 1 } },
      metrics,
      warnings: [],
    })),
    { at, type: 'run-ended', status: 'ok', seconds: 2 },
  ];
  return foldRun(events)!;
}

const bare = (run: RunRecord) => ({ run, card: () => null });
const score = (avg: number) => ({ 'lfw/accuracy': avg, 'avg/accuracy': avg });

test('GtR is AVG of the baseline minus AVG, in the unit of accuracy', () => {
  const run = journalled(
    {
      real: { kind: 'evaluate', metrics: score(0.95) },
      cemi: { kind: 'evaluate', metrics: score(0.92) },
    },
    { baseline: 'real' },
  );
  const { rows, baseline } = compareRuns([bare(run)]);
  expect(baseline).toBe('real');
  expect(rows.map((row) => row.gtr)).toEqual([0, expect.closeTo(0.03, 12)]);
});

test('a baseline without a result is said, and no GtR is made up', () => {
  const run = journalled({ cemi: { kind: 'evaluate', metrics: score(0.9) } }, { baseline: 'real' });
  const { rows, notices } = compareRuns([bare(run)]);
  expect(rows[0]!.gtr).toBeNull();
  expect(notices[0]).toBe("The baseline 'real' has no result, so no GtR is given. Rows: cemi.");
});

test('replicas over seeds are one row: mean, sample standard deviation, count', () => {
  const run = journalled({
    'score@m=0,seed=1': { kind: 'evaluate', point: { m: 0, seed: 1 }, metrics: score(0.9) },
    'score@m=0,seed=2': { kind: 'evaluate', point: { m: 0, seed: 2 }, metrics: score(0.94) },
    'score@m=1,seed=1': { kind: 'evaluate', point: { m: 1, seed: 1 }, metrics: score(0.8) },
  });
  const { rows } = compareRuns([bare(run)]);
  expect(rows).toHaveLength(2);
  // ((0.02)^2 + (0.02)^2) / (2 - 1) under the root
  expect(rows[0]).toMatchObject({
    label: 'score@m=0',
    params: { m: 0 },
    n: 2,
    std: expect.closeTo(Math.sqrt(0.0008), 12),
  });
  expect(rows[0]!.metrics['avg/accuracy']).toBeCloseTo(0.92, 12);
  expect(rows[1]).toMatchObject({ n: 1, std: null });
});

test("a row's card has the seeds of all its replicas, once where they are the same", () => {
  const run = journalled({
    'score@seed=1': { kind: 'evaluate', point: { seed: 1 }, metrics: score(0.9) },
    'score@seed=2': { kind: 'evaluate', point: { seed: 2 }, metrics: score(0.8) },
  });
  const card = (stage: string) => ({
    loss: 'cosface',
    seeds: { training: stage.endsWith('1') ? 1 : 2, data: 7 },
  });
  const [row] = compareRuns([{ run, card }]).rows;
  expect(row!.card).toEqual({ loss: 'cosface', seeds: { training: [1, 2], data: 7 } });
});

test('a row shows the similarity of the set its model was trained on, under E_id and under the judge of that set', () => {
  const run = journalled({
    oracle: { kind: 'fr-train', metrics: {} },
    set: { kind: 'generate', inputs: { model: 'oracle' }, metrics: { 'similarity/mean': 0.5 } },
    other: { kind: 'generate', metrics: { 'similarity/mean': 0.1 } },
    judged: {
      kind: 'quality',
      inputs: { dataset: 'set' },
      metrics: { 'similarity/mean': 0.4, sharpness: 1.1 },
    },
    'judged-other': { kind: 'quality', inputs: { dataset: 'other' }, metrics: { 'similarity/mean': 0.2 } },
    fr: { kind: 'fr-train', inputs: { dataset: 'set' } },
    score: { kind: 'evaluate', inputs: { model: 'fr' }, metrics: score(0.9) },
  });
  const [row] = compareRuns([bare(run)]).rows;
  expect(row!.metrics).toMatchObject({
    'eid_similarity/mean': 0.5,
    'judge_similarity/mean': 0.4,
    judge_sharpness: 1.1,
  });
});

test('a stage that failed has no row, and that is said', () => {
  const run = journalled({
    a: { kind: 'evaluate', metrics: score(0.9) },
    b: { kind: 'evaluate', status: 'failed' },
  });
  const { rows, notices } = compareRuns([bare(run)]);
  expect(rows.map((row) => row.label)).toEqual(['a']);
  expect(notices[0]).toBe('b has no result in run r1 (failed): it has no row.');
});

test('cards that differ in what should be equal are pointed at; data and seeds may differ', () => {
  const run = journalled({
    a: { kind: 'evaluate', metrics: score(0.9) },
    b: { kind: 'evaluate', metrics: score(0.9) },
  });
  const cards = {
    a: { flip: true, loss: { margin: 0.4 }, data: { images: 10 }, seed: 1 },
    b: { flip: true, loss: { margin: 0.3 }, data: { images: 20 }, seed: 2 },
  };
  const { notices } = compareRuns([{ run, card: (stage) => cards[stage as 'a' | 'b'] }]);
  expect(notices.filter((notice) => notice.startsWith('Rows differ'))).toEqual([
    'Rows differ in loss.margin: 0.4 (a); 0.3 (b).',
  ]);
});

function trained(
  avg: number,
  { seed = 1, steps = 10, run = 'r1' }: { seed?: number; steps?: number; run?: string } = {},
): RunRecord {
  const key = `${seed} ${steps} ${avg}`;
  return journalled(
    {
      fr: { kind: 'fr-train', settings: { steps }, seed },
      score: { kind: 'evaluate', inputs: { model: 'fr' }, metrics: score(avg), seed, key },
    },
    { baseline: 'score' },
    run,
  );
}

test('rows of two runs carry the name of their run where they are not replicas', () => {
  const runs = [trained(0.9), trained(0.8, { steps: 20, run: 'r2' })].map(bare);
  expect(compareRuns(runs).rows.map((row) => row.label)).toEqual(['r1:score', 'r2:score']);
});

test('runs that differ in the seed alone are replicas: one row with mean, deviation and count', () => {
  const runs = [trained(0.9), trained(0.94, { seed: 2, run: 'r2' }), trained(0.98, { seed: 3, run: 'r3' })];
  const { rows, baseline } = compareRuns(runs.map(bare));
  expect(rows).toHaveLength(1);
  expect(rows[0]).toMatchObject({
    label: 'score',
    n: 3,
    std: expect.closeTo(0.04, 12),
    members: [
      { run: 'r1', stage: 'score' },
      { run: 'r2', stage: 'score' },
      { run: 'r3', stage: 'score' },
    ],
  });
  expect(rows[0]!.metrics['avg/accuracy']).toBeCloseTo(0.94, 12);
  expect(baseline).toBe('score');
  const apart = compareRuns(runs.map(bare), { apart: true });
  expect(apart.rows.map(({ label, n }) => `${label} ${n}`)).toEqual([
    'r1:score 1',
    'r2:score 1',
    'r3:score 1',
  ]);
});

test('a result that a second run had from the cache counts once, and that is said', () => {
  const { rows, notices } = compareRuns([trained(0.9), trained(0.9, { run: 'r2' })].map(bare));
  expect(rows).toMatchObject([{ label: 'score', n: 1, std: null }]);
  expect(notices[0]).toBe(
    "1 result of run r2 came from the cache, the same as another run's, and counts once.",
  );
});

test('the same recipe and seed with another result was other code: no replica', () => {
  const { rows } = compareRuns([trained(0.9), trained(0.8, { run: 'r2' })].map(bare));
  expect(rows.map(({ label }) => label)).toEqual(['r1:score', 'r2:score']);
});

test('replicas made at different commits are pointed at', () => {
  const [a, b] = [trained(0.9), trained(0.8, { seed: 2, run: 'r2' })];
  a.started.git = { commit: 'a'.repeat(40), dirty: false };
  b.started.git = { commit: 'a'.repeat(40), dirty: true };
  expect(compareRuns([bare(a), bare(b)]).notices[0]).toBe(
    'The replicas of score were made by different code: aaaaaaaaaa; aaaaaaaaaa with changes in run r2.',
  );
});

test('unlike sizes of the training sets are a column and a notice; what was not delivered is said', () => {
  const run = journalled(
    {
      real: { kind: 'evaluate', metrics: score(0.95) },
      'cemi@m=0': { kind: 'evaluate', point: { m: 0 }, metrics: score(0.92) },
      'cemi@m=1': { kind: 'evaluate', point: { m: 1 }, metrics: score(0.91) },
      'cemi@m=-1': { kind: 'evaluate', point: { m: -1 }, metrics: score(0.9) },
    },
    { baseline: 'real' },
  );
  const card = (identities: number, images: number, asked = images) => ({
    steps: 300,
    epochs: (300 * 64) / images,
    data: { identities, images, asked: { identities, images: asked }, delivered: { identities, images } },
  });
  const cards = new Map([['real', card(400, 6400)]]);
  const comparison = compareRuns([
    { run, card: (stage) => cards.get(stage) ?? card(80, 800, stage === 'cemi@m=1' ? 1200 : 800) },
  ]);
  expect(comparison.rows[1]!.data).toEqual({
    used: { identities: 80, images: 800 },
    asked: { identities: 80, images: 800 },
    delivered: { identities: 80, images: 800 },
    steps: 300,
    epochs: 24,
  });
  expect(comparison.notices.slice(0, 2)).toEqual([
    'Training sets differ in size, identities × images of each: 400 × 16 (real); 80 × 10 (cemi@*). At 300 steps each these are 3 and 24 epochs. GtR against real is not due to the kind of data alone: --baseline takes a row of the same size.',
    'Fewer images than asked for: 80 × 10 of 80 × 15 asked for (cemi@m=1).',
  ]);
  // Epochs follow from the sizes: not said twice.
  expect(comparison.notices.join()).not.toContain('Rows differ in epochs');
  expect(terminalTable(comparison)).toMatch(
    /ids × images +epochs\n.*\nreal .*400 × 16 +3\ncemi@m=0.*80 × 10 +24\n/,
  );
  expect(csvTable(comparison)).toMatch(/^cemi@m=0,r1,cemi@m=0,1,.*,80,800,/m);
});

test('a table is never wider than the terminal: heads break, then it comes in parts that repeat the names', () => {
  const protocols = ['general', 'frontal_profile', 'age_gap', 'cross_age', 'cross_pose', 'avg'];
  const metrics = Object.fromEntries(protocols.map((name) => [`${name}/accuracy`, 0.9]));
  const run = journalled(
    {
      'a-set': { kind: 'generate', metrics: { 'similarity/mean': 0.5 } },
      fr: { kind: 'fr-train', inputs: { dataset: 'a-set' } },
      look: {
        kind: 'quality',
        inputs: { dataset: 'a-set' },
        metrics: { 'similarity/mean': 0.4, frechet: 1 },
      },
      'a-long-name-of-a-row': { kind: 'evaluate', inputs: { model: 'fr' }, metrics },
    },
    { baseline: 'a-long-name-of-a-row' },
  );
  const comparison = compareRuns([bare(run)]);
  const blocks = (width?: number) => {
    const lines = terminalTable(comparison, width).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width ?? Infinity);
    return lines.filter((line) => line.startsWith('a-long-name-of-a-row')).length;
  };
  expect([blocks(), blocks(200), blocks(110), blocks(80), blocks(48)]).toEqual([1, 1, 1, 2, 3]);
  expect(terminalTable(comparison, 110)).toMatch(
    /^ +frontal +age +cross +cross .*\nrow +general +profile +gap +age +pose/,
  );
  // Nothing is lost on the way.
  for (const width of [48, 80])
    expect(terminalTable(comparison, width).match(/\b(90\.00|0\.500|0\.400|1\.000)\b/g)).toHaveLength(9);
});

test('in a terminal runs are called by their last four digits', () => {
  const ids = ['20260102-030405-00aa', '20260102-030405-00bb'] as const;
  const runs = [trained(0.9, { run: ids[0] }), trained(0.8, { steps: 20, run: ids[1] })];
  const text = terminalTable(compareRuns(runs.map(bare)));
  expect(text).toMatch(/^00aa:score /m);
  expect(text).toContain(`Runs: 00aa is ${ids[0]}, 00bb is ${ids[1]}.`);
});

test('tables print per cent with two digits; CSV keeps every digit', () => {
  const run = journalled(
    { real: { kind: 'evaluate', metrics: score(0.95) }, cemi: { kind: 'evaluate', metrics: score(0.92345) } },
    { baseline: 'real' },
  );
  const comparison = compareRuns([bare(run)]);
  expect(terminalTable(comparison)).toMatch(/cemi +92\.3[45] +92\.3[45] +2\.6[56]/);
  expect(markdownTable(comparison).split('\n')).toHaveLength(4);
  expect(csvTable(comparison)).toContain('cemi,r1,cemi,1,');
  expect(csvTable(comparison)).toContain('0.92345');
});

test('one seed comes with its standard error, replicas with their standard deviation', () => {
  const measured = { ...score(0.9), 'lfw/accuracy_se': 0.004, 'avg/accuracy_se': 0.003 };
  const one = journalled({ score: { kind: 'evaluate', metrics: measured } });
  expect(terminalTable(compareRuns([bare(one)]))).toMatch(/90\.00 ± 0\.40 +90\.00 ± 0\.30/);
  const two = journalled({
    'score@seed=1': { kind: 'evaluate', point: { seed: 1 }, metrics: score(0.9) },
    'score@seed=2': { kind: 'evaluate', point: { seed: 2 }, metrics: score(0.94) },
  });
  expect(terminalTable(compareRuns([bare(two)]))).toContain('92.00 ± 2.83');
});

const folders: string[] = [];
afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true })));

test('the report is one file: pictures inside, names escaped, weights from outside with their record', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'report-'));
  folders.push(folder);
  const put = (stage: string, file: string, content: string) => {
    mkdirSync(join(folder, stage), { recursive: true });
    writeFileSync(join(folder, stage, file), content);
  };
  const run = journalled(
    {
      'set@m=0': { kind: 'generate', point: { m: 0 } },
      'score@m=0': { kind: 'evaluate', point: { m: 0 }, metrics: score(0.9) },
      'score@m=1': { kind: 'evaluate', point: { m: 1 }, metrics: score(0.8) },
    },
    { title: 'a <b> & c', notes: ['read me'] },
  );
  put('set@m=0', 'strip.png', 'strip');
  put('set@m=0', 'inquiry.png', 'inquiry');
  put('score@m=0', 'roc.csv', 'protocol,far,tar\nlfw,0.01,0.5\nlfw,1,1\n');
  put('score@m=0', 'result.json', '{"card": {"flip": true}}');
  put('weights', 'config.json', '{"provenance": {"architecture": "UNet", "weights": "abc123"}}');
  put('weights', 'record.json', '{"commit": "c0ffee"}');
  run.started.stages[0]!.inputs = { init: [{ from: 'path', path: join(folder, 'weights') }] };

  const file = join(folder, 'report.html');
  expect(await writeReport(run, (digest) => join(folder, digest), file)).toBe(file);
  const text = readFileSync(file, 'utf8');
  expect(text).toContain('<h1>a &lt;b&gt; &amp; c</h1>');
  expect(text).toContain(Buffer.from('strip').toString('base64'));
  expect(text).toContain(Buffer.from('inquiry').toString('base64'));
  expect(text).toContain('ROC on lfw.');
  expect(text).toContain('UNet, sha256 abc123');
  expect(text).toContain('c0ffee');
  expect(text).toContain('read me');
  expect(text).not.toMatch(/(src|href)="(https?:)?\/\//);
});

async function reportOf(run: RunRecord, files: Record<string, string> = {}, log: string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), 'report-'));
  folders.push(folder);
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(join(folder, file, '..'), { recursive: true });
    writeFileSync(join(folder, file), content);
  }
  const page = join(folder, 'report.html');
  return readFileSync(
    await writeReport(
      run,
      (digest) => join(folder, digest),
      page,
      () => log,
    ),
    'utf8',
  );
}

test('the heading says on what was computed, not what was asked for', async () => {
  const run = journalled({ a: { kind: 'faces-render' }, b: { kind: 'fr-train' }, c: { kind: 'fr-train' } });
  expect(await reportOf(run)).toContain('device cpu');
  for (const [stage, device] of [
    ['a', 'cpu'],
    ['b', 'onnx'],
    ['c', 'onnx'],
  ] as const)
    run.results.get(stage)!.device = device;
  run.started.device = 'auto';
  for (const [i, stage] of run.started.stages.entries()) stage.cpus = i + 1;
  const text = await reportOf(run);
  expect(text).toContain('on onnx (2 stages) and cpu (1), 1 or 2 or 3 threads a stage');
  expect(text).not.toContain('device auto');
});

test('what failed comes first, with its reason and the end of its log, and what was not run', async () => {
  const run = journalled({
    a: { kind: 'fr-train', status: 'failed' },
    b: { kind: 'evaluate', status: 'skipped' },
    c: { kind: 'evaluate', metrics: score(0.9) },
  });
  run.results.get('a')!.error = 'out of <memory>';
  const text = await reportOf(run, {}, ['step 7', 'killed']);
  expect(text.indexOf('What failed')).toBeLessThan(text.indexOf('Comparison'));
  expect(text).toMatch(/out of &lt;memory&gt;<\/span\s*><pre>step 7\nkilled<\/pre>/);
  expect(text.replace(/\s+/g, ' ')).toContain('Not run to its end: b. What follows shows what did end well.');
  const ok = await reportOf(journalled({ c: { kind: 'evaluate', metrics: score(0.9) } }));
  expect(ok).not.toMatch(/What failed|Not finished/);
});

test('protocol cards show what is equal once and what differs side by side', async () => {
  const run = journalled({
    a: { kind: 'evaluate', metrics: score(0.9) },
    b: { kind: 'evaluate', metrics: score(0.9) },
  });
  const card = (margin: number, more = {}) =>
    JSON.stringify({
      card: { folds: { lfw: 10, cfp: 10, age: 10 }, margin, data: { weights: 'f'.repeat(64), ...more } },
    });
  const text = (
    await reportOf(run, { 'a/result.json': card(0.3), 'b/result.json': card(0.4, { m: 0 }) })
  ).replace(/>\s+</g, '><');
  expect(text).toContain('<td>folds</td><td>10 each: lfw, cfp, age</td>');
  expect(text).toContain(`<code title="${'f'.repeat(64)}">ffffffffffff</code>`);
  expect(text).toContain('<td>margin</td><td>0.3</td><td>0.4</td>');
  expect(text).toMatch(/Entries that only some rows have: 1<.*<td>data › m<\/td><td>–<\/td><td>0<\/td>/s);
});

test('sets from the same inquiry images stand in one grid, others in one of their own', async () => {
  const run = journalled({
    'cemi@m=0': { kind: 'generate', point: { m: 0 } },
    'cemi@m=1': { kind: 'generate', point: { m: 1 } },
    dcface: { kind: 'generate' },
    other: { kind: 'generate' },
  });
  const files = Object.fromEntries(
    ['cemi@m=0', 'cemi@m=1', 'dcface', 'other'].flatMap((stage) => [
      [`${stage}/strip.png`, `strip of ${stage}`],
      [`${stage}/inquiry.png`, stage === 'other' ? 'other people' : 'people'],
    ]),
  );
  const text = await reportOf(run, files);
  const grids = text.split('<div class="grid">').slice(1);
  const names = grids.map((grid) => [...grid.matchAll(/class="name">([^<]*)</g)].map(([, name]) => name));
  expect(names).toEqual([
    ['', 'cemi', 'dcface'],
    ['', 'other'],
  ]);
  expect(grids[0]).toContain('m = 1');
});

test('report.plots says which plots are drawn', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'report-'));
  folders.push(folder);
  const stages = {
    'score@m=0': { kind: 'evaluate', point: { m: 0 }, metrics: score(0.9) },
    'score@m=1': { kind: 'evaluate', point: { m: 1 }, metrics: score(0.8) },
  };
  const written = async (plots: string[]) =>
    readFileSync(
      await writeReport(journalled(stages, { plots }), () => undefined, join(folder, 'r.html')),
      'utf8',
    );
  expect(await written(['accuracy-over-m'])).toContain('AVG accuracy over m');
  expect(await written(['roc'])).not.toContain('AVG accuracy over m');
});

test('points on an axis are written as they are, not rounded to one another', async () => {
  const points = [0, 0.25, 0.5, 0.75, 1].map(
    (m) => [`score@m=${m}`, { kind: 'evaluate', point: { m }, metrics: score(0.9) }] as const,
  );
  const text = await reportOf(journalled(Object.fromEntries(points), { plots: ['accuracy-over-m'] }));
  for (const label of ['0', '0.25', '0.5', '0.75', '1']) expect(text).toContain(`>${label}</text>`);
});

test('the card is read from the evaluate result, and is null where the artifact is gone', () => {
  const run = journalled({ a: { kind: 'evaluate', metrics: score(0.9) } });
  expect(compareSource(run, () => undefined).card('a')).toBeNull();
});

test('html escapes values and joins lists', () => {
  expect(html`<p title="${'"x"'}">${['<', html`<b>${1}</b>`]}</p>`.text).toBe(
    '<p title="&quot;x&quot;">&lt;<b>1</b></p>',
  );
});

test('of a long series even points are kept, the first and the last of them among these', () => {
  const at = '2026-01-02T03:04:05.000Z';
  const { started } = journalled({});
  function* events(): Generator<JournalEvent> {
    yield started;
    for (let step = 0; step < 100_001; step++)
      yield { at, type: 'metric', stage: 'a', name: 'loss', value: step / 2, step };
  }
  const points = foldRun(events())!.series.get('a')!.get('loss')!;
  expect(points.length).toBeGreaterThan(1000);
  expect(points.length).toBeLessThan(2100);
  expect([points[0], points.at(-1)]).toEqual([
    { step: 0, value: 0 },
    { step: 100_000, value: 50_000 },
  ]);
  const apart = points[1]!.step;
  expect(points.slice(0, -1).every(({ step }, i) => step === i * apart)).toBe(true);
});
