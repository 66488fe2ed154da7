/** The screens by themselves: events in, words out, on a stream and by a clock of our own. */
import { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';
import { createColors } from 'picocolors';
import { expect, onTestFinished, test, vi } from 'vitest';
import { liveScreen } from '../../../engine/cli/screen/live.js';
import { plainScreen } from '../../../engine/cli/screen/plain.js';
import { fewReasons, Pace, printable, tally } from '../../../engine/cli/screen/words.js';
import type { Digest, StageKey } from '../../../engine/digest.js';
import type { Decision } from '../../../engine/plan/plan.js';
import type { RunEvent } from '../../../engine/run/events.js';

const options = { colors: createColors(false), quiet: false, verbose: false };
const at = '2026-11-24T18:00:00.000Z';

function paper(columns = 80) {
  let text = '';
  const stream = new Writable({
    write(piece: Buffer, _, done) {
      text += piece.toString();
      done();
    },
  }) as unknown as WriteStream;
  Object.assign(stream, { isTTY: true, columns, rows: 24 });
  return { stream, text: () => text };
}

const stages = ['faces', 'fr', 'score'];
const runs = (stage: string): [string, Decision] => [
  stage,
  {
    act: 'run',
    stage,
    key: 'k' as StageKey,
    components: {
      kind: 'fake',
      code: 'c' as Digest,
      codeParts: {},
      settings: {},
      inputs: {},
      seed: null,
      cpus: 1,
    },
    because: [{ kind: 'never-ran' }],
  },
];
const begin: RunEvent[] = [
  {
    at,
    type: 'run-started',
    run: '20261124-180000-abcd',
    name: 'demo',
    file: '/x.yaml',
    command: [],
    pid: 1,
    host: 'h',
    device: 'auto',
    version: '1',
    seed: 0,
    params: {},
    report: {},
    stages: stages.map((name) => ({
      name,
      stage: name,
      kind: 'fake',
      point: {},
      settings: {},
      inputs: {},
      outputs: {},
      seed: 0,
    })),
  },
  { type: 'planned', folder: '/r', decisions: new Map(stages.map(runs)), seconds: new Map() },
  { at, type: 'stage-started', stage: 'faces', key: 'k', attempt: 1, device: 'auto', log: '' },
];
const ended = (stage: string, status: 'ok' | 'failed', more = {}): RunEvent => ({
  at,
  type: 'stage-ended',
  stage,
  status,
  seconds: 12.3,
  peakRssBytes: 0,
  outputs: {},
  metrics: {},
  warnings: [],
  ...more,
});

/** What a terminal shows once the escapes have had their effect: here, the text after the last redraw. */
// eslint-disable-next-line no-control-regex
const bare = (text: string) => text.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '\u0001');
const lastFrame = (text: string) =>
  bare(text)
    .split('\u0001')
    .filter((part) => part.trim() !== '')
    .at(-1)!;

test('plain: progress of a stage is told every 15 s, with per cent, time left and note', () => {
  const { stream, text } = paper();
  let now = new Date(2026, 10, 24, 18, 0, 0).getTime();
  const screen = plainScreen(stream, options, () => now);
  begin.forEach(screen.take);
  for (let second = 1; second <= 31; second++) {
    now += 1000;
    screen.take({ type: 'progress', stage: 'faces', done: second, total: 100, note: `image ${second}` });
  }
  screen.take(ended('faces', 'ok', { metrics: { loss: 0.12345 } }));
  screen.take(ended('fr', 'failed', { error: 'no space left' }));
  expect(text()).toBe(
    [
      '18:00:00  demo: run 20261124-180000-abcd, 3 stages: 3 to run',
      '18:00:00  faces started',
      '18:00:15  faces 15% · 1m25s left · image 15',
      '18:00:30  faces 30% · 1m10s left · image 30',
      '18:00:31  ✔ faces 12s  loss 0.1235',
      '18:00:31  ✖ fr failed after 12s: no space left',
      '',
    ].join('\n'),
  );
});

test('live: a line with bar for each stage at work, then the counts; finished stages scroll above', () => {
  const { stream, text } = paper(80);
  let now = 0;
  const screen = liveScreen(stream, options, () => now);
  begin.forEach(screen.take);
  screen.take({ type: 'progress', stage: 'faces', done: 0, total: 100 });
  now = 10_000;
  screen.take({ type: 'progress', stage: 'faces', done: 50, total: 100, note: 'n'.repeat(100) });
  screen.take({ at, type: 'warning', stage: 'faces', text: 'dark images' });
  const lines = lastFrame(text()).trimEnd().split('\n').slice(-2);
  expect(lines[0]).toMatch(/^. faces ━{12}─{11} 50% {2}10s left {2}n+…$/);
  expect(lines[0]!.length).toBeLessThanOrEqual(79);
  expect(lines[1]).toBe('  0 done · 1 running · 2 left · 10s');
  expect(bare(text())).toContain('! faces: dark images\n');
  screen.take(ended('faces', 'ok'));
  expect(bare(text())).toContain('✔ faces 12s\n');
  screen.close();
});

test('a stage that reports nothing: live its time and its last line, plain the same once a minute', () => {
  vi.useFakeTimers({ now: new Date(2026, 10, 24, 18, 0, 0) });
  onTestFinished(() => void vi.useRealTimers());
  const live = paper();
  const plain = paper();
  const screens = [liveScreen(live.stream, options), plainScreen(plain.stream, options)];
  for (const screen of screens) begin.forEach(screen.take);
  vi.advanceTimersByTime(70_000);
  for (const screen of screens) screen.take({ type: 'log', stage: 'faces', lines: 'epoch 1\nepoch 2' });
  vi.advanceTimersByTime(60_000);
  expect(lastFrame(live.text()).trimEnd().split('\n')).toEqual([
    '⠋ faces 2m10s  epoch 2',
    '  0 done · 1 running · 2 left · 2m10s',
  ]);
  expect(plain.text().split('\n').slice(2)).toEqual([
    '18:01:00  faces at work for 1m00s',
    '18:02:00  faces at work for 2m00s · epoch 2',
    '',
  ]);
  for (const screen of screens) screen.close();
});

test('live: a narrow terminal cuts, and never wraps', () => {
  const { stream, text } = paper(30);
  const screen = liveScreen(stream, options, () => 0);
  begin.forEach(screen.take);
  screen.take({ type: 'progress', stage: 'faces', done: 1, total: 3, note: 'a long note about images' });
  screen.take({ at, type: 'warning', stage: 'faces', text: 'x' });
  for (const line of lastFrame(text()).trimEnd().split('\n')) expect(line.length).toBeLessThanOrEqual(29);
  screen.close();
});

test('live: sixty at work on a terminal of 24 rows and 40 columns: as many as fit, and what tells them apart', () => {
  const { stream, text } = paper(40);
  const screen = liveScreen(stream, options, () => 0);
  begin.slice(0, 2).forEach(screen.take);
  for (let i = 0; i < 60; i++)
    screen.take({
      at,
      type: 'stage-started',
      stage: `recognition@m=${i / 10},seed=${i}`,
      key: 'k',
      attempt: 1,
      device: 'auto',
      log: '',
    });
  screen.take({ at, type: 'warning', stage: 'faces', text: 'dark' });
  // The warning has scrolled above; one row stays free for the cursor.
  const [warning, ...lines] = lastFrame(text()).trimEnd().split('\n');
  expect(warning).toBe('! faces: dark');
  expect(lines.length).toBe(23);
  expect(lines[5]).toBe('⠋ reco…5,seed=5 0.0s');
  expect(lines.slice(-2)).toEqual(['  and 39 more', '  0 done · 60 running · 0 left · 0.0s']);
  screen.close();
});

test('what a program wrote moves no cursor, rings no bell and floods no screen', () => {
  expect(printable('\u001b[31mred\u001b[0m\u0008 \u001b]0;title\u0007done\tit')).toBe('red\uFFFD done\tit');
  expect(printable('x'.repeat(5000))).toBe(`${'x'.repeat(400)}…`);
});

test('a retry is told with the failure, which attempt comes, and when', () => {
  const { stream, text } = paper();
  const screen = plainScreen(stream, { ...options, quiet: true }, () => 0);
  begin.forEach(screen.take);
  screen.take({
    at,
    type: 'retrying',
    stage: 'fr',
    attempt: 2,
    of: 3,
    class: 'memory',
    error: 'it ran out of memory (SIGABRT)',
    seconds: 8.2,
  });
  expect(text()).toMatch(/^[\d:]+ {2}! fr: it ran out of memory \(SIGABRT\); attempt 2 of 3 in 8\.2s\n$/);
});

test('the time left comes from the rate since the first word, as a resume begins far in', () => {
  const pace = new Pace();
  pace.heard({ done: 900, total: 1000 }, 0);
  expect(pace.left(0)).toBeUndefined();
  pace.heard({ done: 910, total: 1000 }, 5000);
  expect(pace.left(5000)).toBe(45);
  expect(pace.fraction).toBe(0.91);
  // A second phase counts anew.
  pace.heard({ done: 0, total: 10 }, 6000);
  pace.heard({ done: 5, total: 10 }, 8000);
  expect(pace.left(8000)).toBe(2);
});

test('the tally leaves out what there is none of', () => {
  expect(tally({ ok: 2, cached: 0, failed: 1, skipped: 3 })).toBe('2 ran, 1 failed, 3 not started');
  expect(tally({})).toBe('nothing to do');
});

test('reasons that do not fit on a line are counted', () => {
  expect(fewReasons(['with.m: 0 -> 1', 'seed: 1 -> 2'])).toBe('with.m: 0 -> 1; seed: 1 -> 2');
  const long = 'x'.repeat(60);
  expect(fewReasons([long, 'seed: 1 -> 2', long, 'y'])).toBe(`${long}; seed: 1 -> 2; and 2 more`);
  expect(fewReasons(['x'.repeat(200), 'y'])).toBe(`${'x'.repeat(200)}; and 1 more`);
});
