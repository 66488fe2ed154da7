/** experiments/external.yaml: a Python program that reads one image set and writes another, between stages of ours. */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ImageSet } from '../../../stages/data/image-set.js';
import { Lab, summaryOf } from './lab.js';

const file = fileURLToPath(new URL('../../../experiments/external.yaml', import.meta.url));

/** Mean |4 p - its four neighbours| of the green channel, as the script has it. */
function sharpness(image: Uint8Array, width: number, height: number): number {
  const green = (x: number, y: number) => image[(y * width + x) * 3 + 1]!;
  let total = 0;
  for (let y = 1; y < height - 1; y++)
    for (let x = 1; x < width - 1; x++)
      total += Math.abs(
        4 * green(x, y) - green(x - 1, y) - green(x + 1, y) - green(x, y - 1) - green(x, y + 1),
      );
  return total / ((width - 2) * (height - 2));
}

test('keep_sharpest.py keeps the sharpest images of each identity, byte for byte, and says so in the provenance', async () => {
  await using lab = Lab.create();
  const sizes = ['--set', 'params.identities=3', '--set', 'params.perIdentity=5', '--set', 'params.keep=2'];
  const { stages } = summaryOf(
    await lab.cemiflow('run', file, '--until', 'sharpest', '--json', '--runs-dir', 'runs', ...sizes),
  );
  const [all, kept] = stages.map(({ outputs }) => ImageSet.open(outputs['images']!.path!));
  expect([all!.count, kept!.count, kept!.identities]).toEqual([15, 6, 3]);
  expect([...kept!.labels]).toEqual([0, 0, 1, 1, 2, 2]);
  const wanted = [0, 1, 2].flatMap((label) => {
    const members = Array.from({ length: 15 }, (_, i) => i).filter((i) => all!.labels[i] === label);
    const score = (i: number) => sharpness(all!.read([i]), all!.width, all!.height);
    return members
      .sort((a, b) => score(b) - score(a))
      .slice(0, 2)
      .sort((a, b) => a - b);
  });
  expect(Buffer.from(kept!.all()).equals(Buffer.from(all!.read(wanted)))).toBe(true);
  expect(kept!.info.provenance).toMatchObject({
    delivered: { images: 6 },
    losses: { 'not among the sharpest': 9 },
  });
  expect(stages[1]!.metrics['images/kept']).toBe(6);
  expect(stages[1]!.metrics['sharpness/kept']).toBeGreaterThan(stages[1]!.metrics['sharpness/all']!);
});
