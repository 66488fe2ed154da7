/** The estimate of memory beside peaks that were measured (ONNX Runtime, one thread). */
import { expect, test } from 'vitest';
import type { JsonObject } from '../../stages/contract.js';
import { memoryOf } from '../../stages/registry.js';

interface Case {
  what: string;
  kind: string;
  edge: number;
  settings: JsonObject;
  recogniser?: JsonObject;
  mib: number;
}

const unet = { base: 32, multipliers: [1, 2, 3], blocks: 1, decoder: 'light' };

test.each<Case>([
  {
    what: 'IR-SE50, 2 images',
    kind: 'fr-train',
    edge: 112,
    settings: { backbone: 'irse50', batch: 2 },
    mib: 2000,
  },
  {
    what: 'IR-SE50, 16 images',
    kind: 'fr-train',
    edge: 112,
    settings: { backbone: 'irse50', batch: 16 },
    mib: 4743,
  },
  {
    what: 'R18, 8 images',
    kind: 'fr-train',
    edge: 112,
    settings: { backbone: 'ir18', batch: 8 },
    mib: 2030,
  },
  {
    what: 'UNet 32/64/96, 8 images',
    kind: 'diffusion-train',
    edge: 112,
    settings: { method: 'unconditional', unet, batch: 8 },
    mib: 1814,
  },
  {
    what: 'UNet 32/64/96, 8 images, E_id an R18',
    kind: 'diffusion-train',
    edge: 112,
    settings: { method: 'cemiface', unet, batch: 8 },
    recogniser: { backbone: 'ir18' },
    mib: 2731,
  },
  {
    what: "the paper's, 2 images, E_id an IR-SE50",
    kind: 'diffusion-train',
    edge: 112,
    settings: {
      method: 'cemiface',
      unet: { base: 128, multipliers: [1, 1, 2, 2, 4, 4], blocks: 1, decoder: 'full' },
      batch: 2,
    },
    recogniser: { backbone: 'irse50' },
    mib: 4853,
  },
  {
    what: 'small, 128 images',
    kind: 'fr-train',
    edge: 32,
    settings: { backbone: 'small', batch: 128 },
    mib: 312,
  },
  {
    what: 'small, 512 images',
    kind: 'fr-train',
    edge: 32,
    settings: { backbone: 'small', batch: 512 },
    mib: 679,
  },
])('$kind, $edge px, $what: within a third of $mib MiB', ({ kind, edge, settings, recogniser, mib }) => {
  const ratio = memoryOf(kind, settings, edge, recogniser)! / 2 ** 20 / mib;
  expect(ratio).toBeGreaterThan(3 / 4);
  expect(ratio).toBeLessThan(4 / 3);
});

test('of kinds whose settings do not tell nothing is claimed', () => {
  expect(memoryOf('command', { run: 'true' }, 112)).toBeUndefined();
  expect(memoryOf('fr-train', { backbone: 'no such', batch: 8 }, 112)).toBeUndefined();
});
