/** GPU leases, with a nvidia-smi of our own that lists made-up cards. Through the real command. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { discoverGpus } from '../../../engine/run/gpu-list.js';
import type { RunSummary } from '../../../engine/run/summary.js';
import { Lab, lives, until } from './lab.js';

const twoCards = `GPU 0: NVIDIA A (UUID: GPU-aaaa)
GPU 1: NVIDIA B (UUID: GPU-bbbb)
`;

/** As `nvidia-smi -L` prints a card that is cut into two slices, and one that is not. */
const slicedCards = `GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6)
  MIG 3g.20gb     Device  0: (UUID: MIG-c7384736)
  MIG 1g.5gb      Device  1: (UUID: MIG-a28ad590)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-8f6d1a9b)
`;

function withCards(lab: Lab, list = twoCards): Lab {
  mkdirSync(lab.path('bin'));
  const smi = lab.path('bin', 'nvidia-smi');
  writeFileSync(lab.path('bin', 'list'), list);
  writeFileSync(
    smi,
    `#!/bin/sh\necho "$*" >> ${lab.path('bin', 'asked')}\n[ "$*" = -L ] && cat ${lab.path('bin', 'list')}\n`,
  );
  chmodSync(smi, 0o755);
  lab.environment['PATH'] = `${lab.path('bin')}:${process.env['PATH']}`;
  return lab;
}

const user = (name: string, gpus = 1) => `
  ${name}:
    uses: command
    resources: { gpus: ${gpus} }
    with:
      run: |
        echo $$ > "$STEER/${name}.started"
        while [ ! -e "$STEER/${name}.go" ]; do sleep 0.02; done
        echo "$CUDA_VISIBLE_DEVICES" > \${{ outputs.out }}/seen
      outputs: { out: files }
`;

const seen = ({ stages }: RunSummary) =>
  stages.map(({ outputs }) => readFileSync(join(outputs['out']!.path, 'seen'), 'utf8').trim());

interface Status {
  gpus: {
    number: string;
    visible: boolean;
    holder: { pid: number; engine: number; run: string; stage: string; since: string } | null;
  }[];
}

const statusOf = async (lab: Lab) =>
  (JSON.parse((await lab.cemiflow('status', '--gpus', '--json')).stdout) as Status).gpus;

test('each stage sees the cards it leased and no others', async () => {
  await using lab = withCards(Lab.create());
  lab.write(user('a') + user('b') + user('none', 0));
  for (const name of ['a', 'b', 'none']) lab.go(name);
  const [a, b, none] = seen(await lab.run());
  expect([a, b].every((number) => number === '0' || number === '1')).toBe(true);
  expect(none).toBe('');
});

test('two stages at a time hold different cards, and one stage both', async () => {
  await using lab = withCards(Lab.create());
  lab.write(user('a') + user('b') + user('both', 2));
  const run = lab.start('run', 'x.yaml', '--json', '-j', '8');
  for (const name of ['a', 'b', 'both']) lab.go(name);
  const [a, b, both] = seen(JSON.parse((await run).stdout) as RunSummary);
  expect([a, b, both].every((text) => ['0', '1', '0,1'].includes(text!))).toBe(true);
  expect(both).toBe('0,1');
});

test('a second engine, with another cache, waits for a card of the first', async () => {
  await using lab = withCards(Lab.create());
  lab.environment['CUDA_VISIBLE_DEVICES'] = '1';
  lab.write(user('a'));
  lab.write(user('b'), 'y.yaml');
  const first = lab.start('run', 'x.yaml', '--json', '--runs-dir', 'runs-1');
  await lab.started('a');
  const second = lab.start('run', 'y.yaml', '--json', '--runs-dir', 'runs-2');
  await second.says('b waits: for a GPU in use by another engine (process ');
  await second.says(' for a of run ');
  expect(lab.hasStarted('b')).toBe(false);
  lab.go('a');
  lab.go('b');
  expect(seen(JSON.parse((await first).stdout) as RunSummary)).toEqual(['1']);
  expect(seen(JSON.parse((await second).stdout) as RunSummary)).toEqual(['1']);
});

test('status --gpus says which stage of which run holds which card, and since when; then that they are free', async () => {
  await using lab = withCards(Lab.create());
  lab.write(user('a'));
  const run = lab.start('run', 'x.yaml', '--json');
  const pid = await lab.started('a');
  await until(() => readdirSync(lab.path('tmp/cemiflow-gpus')).length === 2, 'the lease is told');
  let [first, second] = await statusOf(lab);
  expect(first).toMatchObject({ number: '0', visible: true, holder: { pid, engine: run.pid, stage: 'a' } });
  expect(Date.now() - Date.parse(first!.holder!.since)).toBeLessThan(60_000);
  expect(second!.holder).toBeNull();
  const words = (await lab.cemiflow('status', '--gpus')).stdout.split('\n');
  expect(words[0]).toMatch(
    new RegExp(
      `^0 {2}NVIDIA A GPU-aaaa {2}in use {2}a of run ${first!.holder!.run}, process ${pid}, for [\\d.]+s$`,
    ),
  );
  expect(words[1]).toBe('1  NVIDIA B GPU-bbbb  free');
  // Hidden from this shell, and held all the same.
  lab.environment['CUDA_VISIBLE_DEVICES'] = '1';
  expect((await statusOf(lab)).map(({ number, visible }) => [number, visible])).toEqual([
    ['1', true],
    ['0', false],
  ]);
  lab.environment['CUDA_VISIBLE_DEVICES'] = '0,1';
  lab.go('a');
  const { run: id } = JSON.parse((await run).stdout) as RunSummary;
  expect(first!.holder!.run).toBe(id);
  [first, second] = await statusOf(lab);
  expect([first!.holder, second!.holder]).toEqual([null, null]);
  expect(readdirSync(lab.path('tmp/cemiflow-gpus'))).toEqual([]);
});

test('kill -9 of the holder gives its card back, once its stage has ended, too', async () => {
  await using lab = withCards(Lab.create());
  lab.environment['CUDA_VISIBLE_DEVICES'] = 'GPU-aaaa';
  lab.write(user('a'));
  lab.write(user('b'), 'y.yaml');
  const first = lab.start('run', 'x.yaml', '--runs-dir', 'runs-1');
  const pid = await lab.started('a');
  const second = lab.start('run', 'y.yaml', '--json', '--runs-dir', 'runs-2');
  await second.says('b waits: for a GPU');
  first.kill('SIGKILL');
  await first;
  await lab.started('b');
  expect(lives(pid)).toBe(false);
  const [card] = await statusOf(lab);
  expect(card!.holder).toMatchObject({ stage: 'b' });
  lab.go('b');
  expect(seen(JSON.parse((await second).stdout) as RunSummary)).toEqual(['GPU-aaaa']);
  expect(readdirSync(lab.path('tmp/cemiflow-gpus'))).toEqual([]);
});

test('Ctrl-C while it waits for a card ends the wait', async () => {
  await using lab = withCards(Lab.create());
  lab.environment['CUDA_VISIBLE_DEVICES'] = '0';
  lab.write(user('a'));
  lab.write(user('b'), 'y.yaml');
  const first = lab.start('run', 'x.yaml', '--runs-dir', 'runs-1');
  await lab.started('a');
  const second = lab.start('run', 'y.yaml', '--json', '--runs-dir', 'runs-2');
  await second.says('b waits: for a GPU');
  second.kill('SIGINT');
  expect((await second).exitCode).toBe(130);
  lab.go('a');
  expect((await first).exitCode).toBe(0);
});

test('a slice of a card (MIG) is leased by its UUID', async () => {
  await using lab = withCards(Lab.create(), slicedCards);
  lab.write(user('a') + user('b') + user('c'));
  for (const name of ['a', 'b', 'c']) lab.go(name);
  const tokens = ['MIG-c7384736', 'MIG-a28ad590', '1'];
  for (const token of seen(await lab.run())) expect(tokens).toContain(token);
  expect((await statusOf(lab)).map(({ number }) => number)).toEqual(tokens);
});

test('more cards than there are: refused before anything starts', async () => {
  await using lab = withCards(Lab.create());
  lab.write(user('a', 3));
  const { exitCode, stderr } = await lab.cemiflow('run', 'x.yaml');
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(
    /x\.yaml:\d+:\d+: a asks for 3 GPUs, and 2 are visible here\n {2}Lower resources\.gpus/,
  );
});

test('where all is cached no card is looked for, nor missed', async () => {
  await using lab = withCards(Lab.create());
  lab.write(user('a', 2));
  lab.go('a');
  expect((await lab.run()).status).toEqual({ a: 'ok' });
  rmSync(lab.path('bin', 'asked'));
  writeFileSync(lab.path('bin', 'list'), '');
  expect((await lab.run()).status).toEqual({ a: 'cached' });
  expect(existsSync(lab.path('bin', 'asked'))).toBe(false);
  // What is to run again needs them again.
  expect((await lab.cemiflow('run', 'x.yaml', '-f', 'a')).stderr).toContain('a asks for 2 GPUs, and none is');
});

test('without a driver there are none, and it says so', async () => {
  await using lab = withCards(Lab.create(), '');
  expect(await statusOf(lab)).toEqual([]);
  expect((await lab.cemiflow('status', '--gpus')).stdout).toMatch(/^no GPUs: nvidia-smi lists none/);
});

test.each([
  { visible: undefined, tokens: ['0', '1'] },
  { visible: '1', tokens: ['1'] },
  { visible: ' 1 , 0 ', tokens: ['1', '0'] },
  { visible: 'GPU-bbbb', tokens: ['GPU-bbbb'] },
  { visible: 'GPU-b', tokens: ['GPU-b'] },
  // Two cards begin so, and the one given twice cannot be leased twice.
  { visible: 'GPU-', tokens: [] },
  { visible: '0,GPU-aaaa,1', tokens: ['0', '1'] },
  { visible: '', tokens: [] },
  { visible: '-1', tokens: [] },
  { visible: '0,-1,1', tokens: ['0'] },
  { visible: '7', tokens: [] },
  { visible: 'NoDevFiles', tokens: [] },
  { visible: 'MIG-GPU-aaaa/1/0', tokens: ['MIG-GPU-aaaa/1/0'] },
])('CUDA_VISIBLE_DEVICES=$visible leaves $tokens', async ({ visible, tokens }) => {
  await using lab = withCards(Lab.create());
  const found = await discoverGpus({ PATH: lab.environment['PATH'], CUDA_VISIBLE_DEVICES: visible });
  expect(found.map(({ token }) => token)).toEqual(tokens);
});

test.each([
  { visible: undefined, ids: ['MIG-c7384736', 'MIG-a28ad590', 'GPU-8f6d1a9b'] },
  // CUDA computes on the first slice of a card named as a whole.
  { visible: '0,1', ids: ['MIG-c7384736', 'GPU-8f6d1a9b'] },
  { visible: 'MIG-a28ad590', ids: ['MIG-a28ad590'] },
])('of sliced cards CUDA_VISIBLE_DEVICES=$visible means $ids', async ({ visible, ids }) => {
  await using lab = withCards(Lab.create(), slicedCards);
  const found = await discoverGpus({ PATH: lab.environment['PATH'], CUDA_VISIBLE_DEVICES: visible });
  expect(found.map(({ id }) => id)).toEqual(ids);
});
