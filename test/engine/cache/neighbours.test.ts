/** Which earlier key a new one is compared with: the same as by counting the differences of each pair. */
import { expect, test } from 'vitest';
import { Neighbours } from '../../../engine/cache/neighbours.js';
import type { Digest, StageKey } from '../../../engine/digest.js';
import { differences } from '../../../engine/plan/differences.js';
import type { KeyComponents } from '../../../engine/plan/plan.js';
import { Random } from '../../../stages/tensors/random.js';
import { components } from './rig.js';

const keyAt = (index: number) => String(index) as StageKey;

/** Few values of each part, and parts that are not always there. */
function someComponents(random: Random): KeyComponents {
  const maybe = (name: string, value: unknown) => (random.uniform() < 0.7 ? { [name]: value } : {});
  const digest = () => 'abc'.charAt(random.int(3)).repeat(64) as Digest;
  return components({
    settings: {
      ...maybe('m', random.int(3)),
      ...maybe('list', [random.int(2), random.int(2)]),
      // Always there: a map that is missing is one difference for people, and as many as it has settings for the index.
      network: { ...maybe('widths', random.int(3)), ...maybe('with.dot', null) },
    } as KeyComponents['settings'],
    inputs: { ...maybe('dataset', [digest()]), ...maybe('model', [digest(), digest()]) } as Record<
      string,
      Digest[]
    >,
    code: digest(),
    // The code is one part, whatever it is made of.
    codeParts: {},
    seed: random.int(2),
    cpus: 1 + random.int(2),
  });
}

test('it differs in as few parts as any, and no later one in as few', () => {
  const random = new Random(5, 'neighbours');
  for (let round = 0; round < 20; round++) {
    const earlier = Array.from({ length: 60 }, () => someComponents(random));
    const neighbours = new Neighbours();
    earlier.forEach((one, index) => neighbours.add(keyAt(index), one));
    for (let query = 0; query < 20; query++) {
      const now = someComponents(random);
      const unknown = new Set(random.uniform() < 0.5 ? ['dataset'] : []);
      const counts = earlier.map((was) => differences(was, now, unknown).length);
      const wanted = counts.lastIndexOf(Math.min(...counts));
      expect(neighbours.nearest(now, unknown)).toBe(keyAt(wanted));
    }
  }
});

test('of many the latest 200 are weighed', () => {
  const neighbours = new Neighbours();
  for (let m = 0; m < 1000; m++) neighbours.add(keyAt(m), components({ settings: { m, k: m } }));
  for (const m of [800, 900, 999])
    expect(neighbours.nearest(components({ settings: { m, k: -1 } }), new Set())).toBe(keyAt(m));
  expect(neighbours.nearest(components({ settings: { m: 3, k: -1 } }), new Set())).toBe(keyAt(999));
  expect(new Neighbours().nearest(components(), new Set())).toBeUndefined();
});
