/** What the harness asserts after its kills, of runs that nobody killed: it knows all that a cache at rest may hold, and what not. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Lab } from '../engine/run/lab.js';
import { inspect } from './inspection.js';

test('a run that ends well leaves nothing to complain of; what is left over, and other bytes, are said', async () => {
  await using lab = Lab.create();
  lab.write(`
  top: { uses: ./fake.js, with: { value: 1 } }
  sum: { uses: ./fake.js, inputs: { a: top }, with: { value: 2 } }
`);
  const reference = await lab.run();
  expect(await inspect(lab.path('runs'), { summary: reference, reference }, [])).toEqual([]);

  mkdirSync(lab.path('runs/cache/locks'), { recursive: true });
  writeFileSync(lab.path('runs/cache/locks/sweep'), '');
  const summary = structuredClone(reference);
  summary.stages[1]!.outputs['out']!.digest = summary.stages[0]!.outputs['out']!.digest;
  expect(await inspect(lab.path('runs'), { summary, reference }, [])).toEqual([
    expect.stringMatching(/sum/),
    'left over: cache/locks/sweep',
  ]);
});
