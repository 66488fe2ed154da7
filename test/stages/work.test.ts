/** The measures of work name settings and inputs that the kinds really have, and grow as the work does. */
import { describe, expect, test } from 'vitest';
import { registry, workOf } from '../../stages/registry.js';

const kinds = registry.kinds().filter((kind) => workOf(kind) !== undefined);

test('there are some', () => {
  expect(kinds).toContain('fr-train');
  expect(workOf('command')).toBeUndefined();
});

describe.each(kinds)('%s', (kind) => {
  const { schema, inputs } = registry.get(kind)!;

  test('has every setting and input that its measure accounts for', () => {
    const settings = Object.keys(schema['properties'] as object);
    expect(settings).toEqual(expect.arrayContaining([...workOf(kind)!.settings]));
    expect(Object.keys(inputs)).toEqual(expect.arrayContaining([...workOf(kind)!.inputs]));
  });
});

const time = (kind: string, settings: Record<string, number | object>, bytes: Record<string, number> = {}) =>
  workOf(kind)!.time!(settings as never, (input) => bytes[input]);

test('trainings: steps times batch, or epochs times the data, as one or the other is asked for', () => {
  expect(time('fr-train', { steps: 10, epochs: 3, batch: 4 })).toEqual({ amount: 40, of: 'images' });
  expect(time('diffusion-train', { epochs: 3, batch: 4 }, { dataset: 50 })).toEqual({
    amount: 150,
    of: 'bytes of images',
  });
  expect(time('fr-train', { epochs: 3, batch: 4 })).toBeUndefined();
  // The size of a group is not that of the groups' index.
  expect(time('fr-train', { epochs: 3, group: 1 }, { dataset: 50 })).toBeUndefined();
});

test('generating: images times denoising steps; the inquiry images cost disk only', () => {
  const settings = { identities: 3, perIdentity: 4, steps: 5, oversample: 2 };
  expect(time('generate', settings)).toEqual({ amount: 60, of: 'denoised images' });
  expect(workOf('generate')!.disk!(settings)).toEqual({ amount: 18, of: 'images' });
  expect(time('generate', { perIdentity: 4, steps: 5 })).toBeUndefined();
});

test('rendering: pixels of all three sets', () => {
  const settings = {
    identities: 2,
    perIdentity: 3,
    size: 10,
    inquiry: { identities: 4 },
    verification: { identities: 5, perIdentity: 2 },
  };
  expect(time('faces-render', settings)).toEqual({ amount: 2000, of: 'pixels' });
});
