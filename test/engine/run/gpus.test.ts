/** GPU leases, with a nvidia-smi of our own that lists two cards. Through the real command. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { discoverGpus } from '../../../engine/run/gpus.js';
import type { RunSummary } from '../../../engine/run/summary.js';
import { Lab } from './lab.js';

function withTwoCards(lab: Lab): Lab {
  mkdirSync(lab.path('bin'));
  const smi = lab.path('bin', 'nvidia-smi');
  writeFileSync(smi, '#!/bin/sh\necho "0, GPU-aaaa, NVIDIA A"\necho "1, GPU-bbbb, NVIDIA B"\n');
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
  stages.map(({ outputs }) => readFileSync(join(outputs['out']!.path!, 'seen'), 'utf8').trim());

test('each stage sees the cards it leased and no others', async () => {
  await using lab = withTwoCards(Lab.create());
  lab.write(user('a') + user('b') + user('none', 0));
  for (const name of ['a', 'b', 'none']) lab.go(name);
  const [a, b, none] = seen(await lab.run());
  expect([a, b].every((number) => number === '0' || number === '1')).toBe(true);
  expect(none).toBe('');
});

test('a second engine, with another cache, waits for a card of the first', async () => {
  await using lab = withTwoCards(Lab.create());
  lab.environment['CUDA_VISIBLE_DEVICES'] = '1';
  lab.write(user('a'));
  lab.write(user('b'), 'y.yaml');
  const first = lab.start('run', 'x.yaml', '--json', '--runs-dir', 'runs-1');
  await lab.started('a');
  const second = lab.start('run', 'y.yaml', '--json', '--runs-dir', 'runs-2');
  await second.says('b waits: for a GPU in use by another engine (process ');
  expect(lab.hasStarted('b')).toBe(false);
  lab.go('a');
  lab.go('b');
  expect(seen(JSON.parse((await first).stdout) as RunSummary)).toEqual(['1']);
  expect(seen(JSON.parse((await second).stdout) as RunSummary)).toEqual(['1']);
});

test('more cards than there are: refused before anything starts', async () => {
  await using lab = withTwoCards(Lab.create());
  lab.write(user('a', 3));
  const { exitCode, stderr } = await lab.cemiflow('run', 'x.yaml');
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(
    /x\.yaml:\d+:\d+: a asks for 3 GPUs, and 2 are visible here\n {2}Lower resources\.gpus/,
  );
});

test.each([
  { visible: undefined, tokens: ['0', '1'] },
  { visible: '1', tokens: ['1'] },
  { visible: '1,0', tokens: ['1', '0'] },
  { visible: 'GPU-bbbb', tokens: ['GPU-bbbb'] },
  { visible: '', tokens: [] },
  { visible: '-1', tokens: [] },
  { visible: '0,-1,1', tokens: ['0'] },
  { visible: '7', tokens: [] },
])('CUDA_VISIBLE_DEVICES=$visible leaves $tokens', async ({ visible, tokens }) => {
  await using lab = withTwoCards(Lab.create());
  const found = await discoverGpus({ PATH: lab.environment['PATH'], CUDA_VISIBLE_DEVICES: visible });
  expect(found.map(({ token }) => token)).toEqual(tokens);
});
