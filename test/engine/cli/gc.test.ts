/** `cemiflow gc` as a user meets it: what goes, what stays, what it says, beside a run that is going on. */
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RunSummary } from '../../../engine/run/summary.js';
import { Lab, lives, summaryOf, until } from '../run/lab.js';
import { schemaOf } from './schemas.js';

const three = (last = 3) => `
  top: { uses: ./fake.js, with: { value: 1 } }
  mid: { uses: ./fake.js, inputs: { a: top }, with: { value: 2 } }
  end: { uses: ./fake.js, inputs: { a: mid }, with: { value: ${last} } }
`;

interface Gc {
  removed: { what: string; stage: string | null; bytes: number }[];
  freedBytes: number;
  bytesAfter: number;
  bytesBefore: number;
  met: boolean;
  stays: Record<string, { units: number; bytes: number }>;
}

async function gc(lab: Lab, ...words: string[]): Promise<Gc & { exitCode: number | undefined }> {
  const { stdout, stderr, exitCode } = await lab.cemiflow('gc', '--json', ...words);
  if (stdout === '') throw new Error(stderr);
  const said = JSON.parse(stdout) as Gc;
  const valid = schemaOf('gc');
  expect(valid(said), JSON.stringify(valid.errors)).toBe(true);
  return { ...said, exitCode };
}

const removedStages = ({ removed }: Gc) => removed.map(({ stage }) => stage).sort();

function age(lab: Lab, { stages }: RunSummary, name: string, days: number): void {
  const { key } = stages.find((stage) => stage.name === name)!;
  const then = Date.now() / 1000 - days * 86_400;
  utimesSync(lab.path('runs/cache/results', key!.slice(0, 2), `${key}.json`), then, then);
}

test.each([
  [
    ['gc'],
    /^cemiflow: say what may go: without a limit gc would remove every result that is neither pinned nor in use\n {2}For example: cemiflow gc --keep-last 3/,
  ],
  [['gc', '--dry-run'], /say what may go/],
  [
    ['gc', '--older-than', '3 fortnights'],
    /'3 fortnights' is invalid\. It is no duration: give a number with s, m, h, d or w .+, such as 30d\./,
  ],
  [['gc', '--older-than', '30'], /'30' is invalid\. It is no duration/],
  [['gc', '--older-than', '-1d'], /'-1d' is invalid\. It is no duration/],
  [
    ['gc', '--max-size', '50'],
    /'50' is invalid\. It is no size: give a number with B, KB, MB, GB, TB or KiB, MiB, GiB, TiB, such as 50GB\./,
  ],
  [['gc', '--max-size', '50XB'], /It is no size/],
  [['gc', '--max-size', '50iB'], /It is no size/],
  [['gc', '--keep-last', '-1'], /'-1' is invalid\. It must be at least 0\./],
  [['gc', '--keep-last', 'all'], /'all' is invalid\. It is no whole number\./],
  [
    ['gc', '--keep-last', '1'],
    /^cemiflow: there is no cache in .+runs\n {2}Nothing has run there yet, or it is another --runs-dir\.$/,
  ],
])('%j is refused with words', async (words, message) => {
  await using lab = Lab.create();
  const { exitCode, stderr, stdout } = await lab.cemiflow(...words);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr).toMatch(message);
});

test('--keep-last spares what the last runs of each experiment used; what goes runs again, and nothing else', async () => {
  await using lab = Lab.create();
  lab.write(three());
  await lab.run();
  lab.write(three(4));
  await lab.run();
  const dry = await gc(lab, '--keep-last', '1', '--dry-run');
  expect(removedStages(dry)).toEqual(['end']);
  const { stdout } = await lab.cemiflow('gc', '--keep-last', '1', '-n');
  expect(stdout).toMatch(
    /^just now {2}\d+ bytes {2}result {2}end {2}fake {2}[0-9a-f]{12}\nwould remove 1 result: \d+ bytes\nwould stay in runs\/cache: .+ \(.+ of the last runs\)\n?$/,
  );
  expect(await gc(lab, '--keep-last', '2')).toMatchObject({ removed: [], freedBytes: 0 });
  const done = await gc(lab, '--keep-last', '1');
  expect(done).toMatchObject({ removed: dry.removed, freedBytes: dry.freedBytes, met: true });
  expect((await lab.run()).status).toEqual({ top: 'cached', mid: 'cached', end: 'cached' });
  lab.write(three());
  expect((await lab.run()).status).toEqual({ top: 'cached', mid: 'cached', end: 'ok' });
});

test('--older-than goes by the last use, and --max-size by its order; where it cannot be met the exit code is 1', async () => {
  await using lab = Lab.create();
  lab.write(three());
  const run = await lab.run();
  age(lab, run, 'top', 40);
  age(lab, run, 'mid', 50);
  expect(removedStages(await gc(lab, '--older-than', '45d'))).toEqual(['mid']);
  const tight = await gc(lab, '--max-size', '1B', '--older-than', '30d');
  expect(removedStages(tight)).toEqual(['top']);
  expect(tight).toMatchObject({ met: false, exitCode: 1, stays: { recentlyUsed: { units: 1 } } });
  const { stderr } = await lab.cemiflow('gc', '--max-size', '1B', '--older-than', '30d', '-q');
  expect(stderr).toBe(
    'cemiflow: the cache is still larger than 1 bytes: what stays is needed\n  Lower --older-than.',
  );
  expect(await gc(lab, '--max-size', '0')).toMatchObject({ met: true, exitCode: 0, bytesAfter: 0 });
});

test('beside a run: what it has made, found and is making stays, and it ends well', async () => {
  await using lab = Lab.create();
  lab.write(`
  top: { uses: ./fake.js, with: { value: 1 } }
  old: { uses: ./fake.js, with: { value: 5 } }
`);
  const first = await lab.run();
  age(lab, first, 'top', 400);
  lab.write(`
  top: { uses: ./fake.js, with: { value: 1 } }
  mid: { uses: ./fake.js, inputs: { a: top }, with: { value: 2 } }
  slow: { uses: ./fake.js, inputs: { a: [top, mid] }, with: { value: 2, hold: slow } }
`);
  const running = lab.start('run', 'x.yaml', '--json');
  await lab.started('slow');
  age(lab, first, 'top', 400);
  const said = await gc(lab, '--keep-last', '0');
  expect(removedStages(said)).toEqual(['old']);
  expect(said.stays['inUse']!.units).toBeGreaterThanOrEqual(3);
  lab.go('slow');
  expect(summaryOf(await running).status).toEqual({ top: 'cached', mid: 'ok', slow: 'ok' });
  expect(removedStages(await gc(lab, '--keep-last', '0'))).toEqual(['mid', 'slow', 'top']);
});

test('--runs removes old runs, not what they made; what is pinned, going on, not delivered or young stays', async () => {
  await using lab = Lab.create();
  lab.write(three());
  const runs: string[] = [];
  for (let i = 0; i < 4; i++) runs.push((await lab.run()).run);
  const refused = await lab.cemiflow('gc', '--runs');
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toMatch(
    /^cemiflow: say what may go: without a limit gc would remove every run that is not pinned\n/,
  );
  expect((await lab.cemiflow('gc', '--runs', '--max-size', '1GB')).stderr).toMatch(
    /--max-size is about the cache/,
  );

  const gcRuns = async (...words: string[]) => {
    const { stdout, stderr } = await lab.cemiflow('gc', '--runs', '--json', ...words);
    if (stdout === '') throw new Error(stderr);
    const said = JSON.parse(stdout) as { removed: { run: string }[]; stays: Record<string, number> };
    const valid = schemaOf('gc-runs');
    expect(valid(said), JSON.stringify(valid.errors)).toBe(true);
    return { gone: said.removed.map(({ run }) => run), stays: said.stays };
  };
  const none = { pinned: 0, running: 0, undelivered: 0, recentRun: 0, young: 0 };
  expect(await gcRuns('--older-than', '1d')).toEqual({ gone: [], stays: { ...none, young: 4 } });

  await lab.cemiflow('cache', 'pin', runs[0]!);
  // As a courier that was killed leaves it.
  mkdirSync(lab.path('runs', runs[1]!, 'tracking'));
  writeFileSync(
    lab.path('runs', runs[1]!, 'tracking/x.json'),
    JSON.stringify({
      format: 'cemiflow-tracking/1',
      uri: 'http://127.0.0.1:9',
      experiment: 'e',
      complete: false,
    }),
  );
  lab.write('  slow: { uses: ./fake.js, with: { hold: slow } }\n');
  const running = lab.start('run', 'x.yaml', '--json');
  await lab.started('slow');
  const stays = { pinned: 1, running: 1, undelivered: 1, recentRun: 1, young: 0 };
  lab.write(three());
  runs.push((await lab.run()).run);
  const dry = await gcRuns('--keep-last', '1', '-n');
  expect(dry).toEqual({ gone: [runs[2], runs[3]], stays });
  expect((await lab.cemiflow('gc', '--runs', '--keep-last', '1', '-n')).stdout).toMatch(
    /\nwould remove 2 runs: .+\nwould stay in runs: 4 runs \(1 pinned, 1 going on, 1 not delivered yet: cemiflow sync, 1 of the last runs\)$/,
  );
  expect(existsSync(lab.path('runs', runs[2]!))).toBe(true);
  expect(await gcRuns('--keep-last', '1')).toEqual(dry);
  expect(runs.map((run) => existsSync(lab.path('runs', run)))).toEqual([true, true, false, false, true]);
  lab.go('slow');
  expect(summaryOf(await running).status).toEqual({ slow: 'ok' });
  expect((await lab.run()).status).toEqual({ top: 'cached', mid: 'cached', end: 'cached' });
});

test('what failed attempts left, and the checkpoint of a run that was killed, go by age', async () => {
  await using lab = Lab.create();
  lab.write(`
  bad: { uses: command, with: { run: "echo half > \${{ outputs.x }}/a; exit 3", outputs: { x: files } } }
  slow: { uses: ./fake.js, with: { hold: slow } }
`);
  const running = lab.start('run', 'x.yaml', '-k');
  const pid = await lab.started('slow');
  const cache = (name: string) =>
    existsSync(lab.path('runs/cache', name)) ? readdirSync(lab.path('runs/cache', name)) : [];
  await until(() => cache('failed').length === 1, 'the failed attempt was set aside');
  running.kill('SIGKILL');
  await running;
  await until(() => !lives(pid), 'its stage has ended, too');
  expect((await gc(lab, '--older-than', '1d')).removed).toEqual([]);
  const { removed } = await gc(lab, '--older-than', '0');
  expect(removed.filter(({ what }) => what === 'failed')).toHaveLength(1);
  expect(cache('failed')).toEqual([]);
  expect(cache('checkpoints')).toEqual([]);
  // The journals, which tell of it, stay.
  expect((await lab.cemiflow('list')).stdout).toMatch(/interrupted/);
  expect(readdirSync(join(lab.path('runs/cache'), 'tmp'))).toEqual([]);
});
