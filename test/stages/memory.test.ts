/** The estimate of memory beside peaks that were measured (ONNX Runtime, one thread). */
import { expect, test } from 'vitest';
import { memoryOf } from '../../stages/registry.js';

test.each([
  {
    what: 'IR-SE50, 2 images',
    kind: 'fr-train',
    edge: 112,
    settings: { backbone: 'irse50', batch: 2 },
    mib: 3067,
  },
  {
    what: 'IR-SE50, 16 images',
    kind: 'fr-train',
    edge: 112,
    settings: { backbone: 'irse50', batch: 16 },
    mib: 5962,
  },
  {
    what: 'R18, 16 images',
    kind: 'fr-train',
    edge: 112,
    settings: { backbone: 'ir18', batch: 16 },
    mib: 3966,
  },
  {
    what: 'small, 128 images',
    kind: 'fr-train',
    edge: 32,
    settings: { backbone: 'small', batch: 128 },
    mib: 334,
  },
  {
    what: 'small, 512 images',
    kind: 'fr-train',
    edge: 32,
    settings: { backbone: 'small', batch: 512 },
    mib: 782,
  },
])('$kind, $edge px, $what: within a third of $mib MiB', ({ kind, edge, settings, mib }) => {
  const ratio = memoryOf(kind, settings, edge)! / 2 ** 20 / mib;
  expect(ratio).toBeGreaterThan(3 / 4);
  expect(ratio).toBeLessThan(4 / 3);
});

test('of kinds whose settings do not tell nothing is claimed', () => {
  expect(memoryOf('command', { run: 'true' }, 112)).toBeUndefined();
  expect(memoryOf('fr-train', { backbone: 'no such', batch: 8 }, 112)).toBeUndefined();
});
