/** `cemiflow cache` as a user meets it: ls, verify, rm, pins, and an archive on its way to another machine. */
import { chmodSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lab, program } from '../run/lab.js';
import { schemaOf } from './schemas.js';

const two = `
  top: { uses: ./fake.js, with: { value: 1 } }
  sum: { uses: ./fake.js, matrix: { v: [1, 2] }, inputs: { a: top }, with: { value: "\${{ matrix.v }}" } }
`;

async function json<T>(
  lab: Lab,
  definition: string,
  ...words: string[]
): Promise<T & { exitCode: number | undefined }> {
  const { stdout, stderr, exitCode } = await lab.cemiflow('cache', ...words, '--json');
  if (stdout === '') throw new Error(stderr);
  const said = JSON.parse(stdout) as T;
  const valid = schemaOf('cache', definition);
  expect(valid(said), JSON.stringify(valid.errors)).toBe(true);
  return { ...said, exitCode };
}

interface Ls {
  bytes: number;
  results: { stage: string; key: string; bytes: number; pinned: boolean; kind: string }[];
  artifacts: { count: number };
}

const spoil = (path: string) => {
  const file = `${path}/${readdirSync(path)[0]!}`;
  chmodSync(file, 0o644);
  writeFileSync(file, `${readFileSync(file, 'utf8')}?`);
};

test('ls lists results by what is asked, with the whole size below', async () => {
  await using lab = Lab.create();
  lab.write(two);
  await lab.run();
  const all = await json<Ls>(lab, 'ls', 'ls', '--sort', 'stage');
  expect(all.results.map(({ stage }) => stage)).toEqual(['sum@v=1', 'sum@v=2', 'top']);
  expect(all.artifacts.count).toBe(3);
  expect((await json<Ls>(lab, 'ls', 'ls', 'sum')).results).toHaveLength(2);
  expect((await json<Ls>(lab, 'ls', 'ls', 'sum@v=2')).results).toHaveLength(1);
  expect((await json<Ls>(lab, 'ls', 'ls', '--kind', 'command')).results).toEqual([]);
  const { stdout, stderr } = await lab.cemiflow('cache', 'ls', '--sort', 'stage');
  expect(stdout.split('\n')[0]).toMatch(
    /^just now {2}\d+ bytes {2}sum@v=1 {2}fake {2}[0-9a-f]{12} {2}\d{8}-\d{6}-[0-9a-f]{4}$/,
  );
  expect(stderr).toMatch(/^runs\/cache: .+ in 3 results; .+ free\n?$/);
});

test('verify finds what --all alone can see, says which stages run again, and they do', async () => {
  await using lab = Lab.create();
  lab.write(two);
  const run = await lab.run();
  expect(await json(lab, 'verify', 'verify', '--all')).toMatchObject({
    sound: true,
    artifacts: 3,
    results: 3,
    exitCode: 0,
  });
  spoil(run.stages.find(({ name }) => name === 'sum@v=2')!.outputs['out']!.path);
  const { exitCode, stdout, stderr } = await lab.cemiflow('cache', 'verify');
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(
    /^artifact {2}[0-9a-f]{12} {2}its content has changed\nsum@v=2 {2}[0-9a-f]{12} {2}output out: its content has changed$/,
  );
  expect(stderr).toMatch(
    /1 artifact damaged and moved away, 1 result of no use any more: their stages will run again/,
  );
  expect(await json(lab, 'verify', 'verify')).toMatchObject({
    sound: false,
    unusable: [{ stage: 'sum@v=2', detail: 'output out: its folder is missing' }],
  });
  expect((await lab.run()).status).toEqual({ top: 'cached', 'sum@v=1': 'cached', 'sum@v=2': 'ok' });
});

test('rm removes what it is told, a whole matrix or a point, and what it removes runs again', async () => {
  await using lab = Lab.create();
  lab.write(two);
  await lab.run();
  const dry = await json<{ removed: { stage: string }[] }>(lab, 'rm', 'rm', 'sum', '-n');
  expect(dry.removed.map(({ stage }) => stage).sort()).toEqual(['sum@v=1', 'sum@v=2']);
  const { stdout } = await lab.cemiflow('cache', 'rm', 'sum@v=1');
  expect(stdout).toMatch(/^\d+ bytes {2}sum@v=1 {2}[0-9a-f]{12}$/);
  expect((await lab.run()).status).toEqual({ top: 'cached', 'sum@v=1': 'ok', 'sum@v=2': 'cached' });
  const { key } = (await json<Ls>(lab, 'ls', 'ls', 'top')).results[0]!;
  await json(lab, 'rm', 'rm', key.slice(0, 10));
  expect((await json<Ls>(lab, 'ls', 'ls', 'top')).results).toEqual([]);
});

test('rm takes the newest result of a stage, or with --all every one', async () => {
  await using lab = Lab.create();
  for (const value of [1, 2, 3]) {
    lab.write(`\n  top: { uses: ./fake.js, with: { value: ${value} } }\n`);
    await lab.run();
  }
  expect((await json<{ removed: unknown[] }>(lab, 'rm', 'rm', 'top')).removed).toHaveLength(1);
  expect((await lab.run()).status).toEqual({ top: 'ok' });
  expect((await json<{ removed: unknown[] }>(lab, 'rm', 'rm', 'top', '--all')).removed).toHaveLength(3);
});

let ready: Lab;
beforeAll(async () => {
  ready = Lab.create();
  ready.write(two);
  await ready.run();
});
afterAll(() => ready[Symbol.asyncDispose]());

test.each([
  [['cache', 'rm', 'tpo'], /^cemiflow: no result in .+cache is named 'tpo'\n {2}Did you mean 'top'\?/],
  [['cache', 'pin', 'deadbeef'], /no run, no result in .+ is named 'deadbeef'/],
  [['cache', 'pin', '20'], /no run, no result in .+ is named '20'/],
  [
    ['cache', 'unpin', 'top'],
    /^cemiflow: [0-9a-f]{24} is not pinned\n {2}`cemiflow cache pins` lists what is\./,
  ],
  [['cache', 'rm'], /missing required argument 'stage\|key'/],
  [['cache', 'lss'], /unknown command 'lss'\n\(Did you mean ls\?\)/],
  [['cache', 'export'], /required option '-o, --output <file>' not specified/],
  [
    ['cache', 'export', '-o', 'a.zip'],
    /^cemiflow: -o a\.zip: what kind of archive is that\?\n {2}Let the name end in \.tar, \.tar\.gz or \.tgz\./,
  ],
  [['cache', 'export', '-o', '-', '--json'], /both want stdout/],
  [['cache', 'export', '-o', 'nowhere/a.tar'], /^cemiflow: -o nowhere\/a\.tar: there is no folder nowhere\n/],
  [['cache', 'import', 'missing.tar'], /^cemiflow: there is no archive missing\.tar\n/],
  [
    ['cache', 'import', 'x.yaml'],
    /^cemiflow: the archive is refused: it was cut short, or is no tar archive\n {2}Nothing was imported\./,
  ],
])('%j is refused with words', async (words, message) => {
  const { exitCode, stderr } = await ready.cemiflow(...words);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/^ {4}at /m);
});

test('what is pinned survives every gc and rm, a run with all that it used, until it is unpinned', async () => {
  await using lab = Lab.create();
  lab.write(two);
  const first = await lab.run();
  lab.write(two.replace('value: 1', 'value: 9'));
  const second = await lab.run();
  await json(lab, 'pins', 'pin', first.run.slice(-4));
  await json(lab, 'pins', 'pin', 'sum@v=2');
  const { stdout } = await lab.cemiflow('cache', 'pins');
  expect(stdout).toMatch(
    new RegExp(`^run +${first.run} +test +just now\nresult +[0-9a-f]{12} +sum@v=2 +just now$`),
  );
  await lab.cemiflow('gc', '--max-size', '0');
  const kept = (await json<Ls>(lab, 'ls', 'ls')).results;
  const keyOf = (run: typeof first, name: string) => run.stages.find((stage) => stage.name === name)!.key;
  expect(kept.map(({ key }) => key).sort()).toEqual(
    [...first.stages.map(({ key }) => key), keyOf(second, 'sum@v=2')].sort(),
  );
  expect(kept.every(({ pinned }) => pinned)).toBe(true);
  const refused = await lab.cemiflow('cache', 'rm', 'sum');
  expect(refused).toMatchObject({ exitCode: 2, stdout: '' });
  expect(refused.stderr).toMatch(
    /^cemiflow: not removed: sum@v=2 \([0-9a-f]{12}\) is pinned\n {2}Nothing was removed\./,
  );
  await json(lab, 'pins', 'unpin', first.run, 'sum@v=2');
  await lab.cemiflow('gc', '--keep-last', '0');
  expect((await json<Ls>(lab, 'ls', 'ls')).results).toEqual([]);
});

test('an archive of a run makes the run all cached on another machine; a second one of the same bytes, too', async () => {
  await using lab = Lab.create();
  lab.write(two);
  await lab.run();
  expect(await json(lab, 'export', 'export', 'latest', '-o', 'a.tar')).toMatchObject({
    results: 3,
    artifacts: 3,
  });
  await lab.cemiflow('cache', 'export', '-o', 'b.tar.gz');
  await using there = Lab.create();
  there.write(two);
  expect(await json(there, 'import', 'import', lab.path('b.tar.gz'))).toMatchObject({ results: 3, known: 0 });
  const run = await there.run();
  expect(run.status).toEqual({ top: 'cached', 'sum@v=1': 'cached', 'sum@v=2': 'cached' });
  expect((await there.cemiflow('why', 'top', 'x.yaml')).stdout).toMatch(/made by run/);
  await there.cemiflow('cache', 'export', 'latest', '-o', 'c.tar');
  expect(readFileSync(there.path('c.tar')).equals(readFileSync(lab.path('a.tar')))).toBe(true);
  // One point with what it came of: only the other point runs.
  await using third = Lab.create();
  third.write(two);
  await lab.cemiflow('cache', 'export', 'sum@v=1', '-o', 'one.tgz');
  await third.cemiflow('cache', 'import', lab.path('one.tgz'));
  expect((await third.run()).status).toEqual({ top: 'cached', 'sum@v=1': 'cached', 'sum@v=2': 'ok' });
});

test('an archive goes through a pipe', async () => {
  await using lab = Lab.create();
  lab.write(two);
  await lab.run();
  await using there = Lab.create();
  there.write(two);
  const command = `"$0" "$1" cache export -o - -C "$2" | "$0" "$1" cache import - -C "$3"`;
  const { stderr } = await execa('sh', ['-c', command, process.execPath, program, lab.folder, there.folder]);
  expect(stderr).toMatch(/exported: 3 results, 3 artifacts/);
  expect(stderr).toMatch(/imported 3 results and 3 artifacts/);
  expect((await there.run()).ok).toBe(true);
});

test('an export that fails leaves no half archive', async () => {
  await using lab = Lab.create();
  lab.write(two);
  const run = await lab.run();
  spoil(run.stages[0]!.outputs['out']!.path);
  const { exitCode, stderr } = await lab.cemiflow('cache', 'export', '-o', 'a.tar');
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(
    /^cemiflow: the result of top cannot be exported: its content has changed\n {2}Run its experiment again first/,
  );
  expect(existsSync(lab.path('a.tar'))).toBe(false);
  expect(readdirSync(lab.folder).filter((name) => name.includes('a.tar'))).toEqual([]);
});
