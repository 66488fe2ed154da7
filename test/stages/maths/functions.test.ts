/** Every layer, loss and optimiser on every device against PyTorch: values, and gradients by all inputs. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Device, openDevice } from '../../../stages/tensors/device.js';
import { numbersOf, type Numbers, type Tensors } from './case.js';
import { excess, testDevices, tolerance } from './devices.js';
import { cases, covered, evaluate } from './functions.js';

interface Expected {
  value: number[];
  aside: Record<string, number[]>;
  gradients: Record<string, number[]>;
}
const file = new URL('../../reference/maths.json', import.meta.url);
const reference = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Expected>;

const tensors = (name: string, inputs: Record<string, Numbers> = {}): Tensors =>
  Object.fromEntries(
    Object.entries(inputs).map(([input, numbers]) => [
      input,
      tf.tensor(numbersOf(name, input, numbers), numbers.shape),
    ]),
  );

describe.each(testDevices)('on %s', (deviceName) => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice(deviceName, { threads: 1 });
  });

  test.each(cases)('$name is what PyTorch computes', async (example) => {
    const { name, inputs, given } = example;
    const compiled = device.compile((x: Tensors, y: Tensors) => evaluate(example, x, y));
    const result = await compiled(tensors(name, inputs), tensors(name, given));
    compiled.dispose();
    const expected = reference[name]!;
    const near = async (what: string, tensor: tf.Tensor, numbers: number[]): Promise<void> =>
      expect(excess(await tensor.data(), numbers, tolerance[deviceName]), what).toBeLessThan(1);
    await near('value', result.value, expected.value);
    expect(Object.keys(result.gradients).sort()).toEqual(Object.keys(expected.gradients).sort());
    for (const [key, numbers] of Object.entries(expected.gradients))
      await near(`gradient by ${key}`, result.gradients[key]!, numbers);
    expect(Object.keys(result.aside).sort()).toEqual(Object.keys(expected.aside).sort());
    for (const [key, numbers] of Object.entries(expected.aside)) await near(key, result.aside[key]!, numbers);
  });
});

test('no layer, loss or optimiser is left out', () => {
  const known = new Set<unknown>(cases.flatMap(({ covers }) => covers));
  const left = Object.entries(covered).flatMap(([module, exported]) =>
    Object.entries(exported)
      .filter(([, value]) => typeof value === 'function' && !isClass(value) && !known.has(value))
      .map(([name]) => `${module}: ${name}`),
  );
  expect(left).toEqual([]);
  expect(cases.map(({ name }) => name).sort()).toEqual(Object.keys(reference).sort());
});

/** Modules that put together what is covered, and the test of each. */
const composed: Readonly<Record<string, string>> = {
  'stages/diffusion/unet.ts': 'maths/unet-step.test.ts',
  'stages/diffusion/generator.ts': 'maths/unet-step.test.ts',
  'stages/diffusion/train-step.ts': 'maths/unet-step.test.ts',
  'stages/diffusion/sampler.ts': 'maths/experiment.test.ts',
  'stages/diffusion/frozen-recogniser.ts': 'maths/experiment.test.ts',
  'stages/diffusion/diffusion-train.ts': 'maths/experiment.test.ts',
  'stages/diffusion/generate.ts': 'maths/experiment.test.ts',
  'stages/recognition/iresnet.ts': 'maths/iresnet-step.test.ts',
  'stages/recognition/train-step.ts': 'maths/experiment.test.ts',
  'stages/recognition/fr-train.ts': 'maths/experiment.test.ts',
  'stages/recognition/model.ts': 'maths/experiment.test.ts',
  'stages/recognition/embed.ts': 'maths/experiment.test.ts',
  'stages/recognition/face-api/network.ts': 'recognition/face-api.test.ts',
  'stages/recognition/face-api/recogniser.ts': 'recognition/face-api.test.ts',
};

test('no other module of training and generation computes with tensors', () => {
  const computing = sources().filter(
    (path) =>
      /^stages\/(diffusion|recognition)\//.test(path) &&
      readFileSync(path, 'utf8').includes("from '@tensorflow/tfjs'"),
  );
  const known = Object.keys(covered).filter((path) => !path.startsWith('stages/tensors/'));
  expect(computing.sort()).toEqual([...known, ...Object.keys(composed)].sort());
  for (const file of Object.values(composed)) expect(existsSync(join('test/stages', file))).toBe(true);
});

test('no other module writes a gradient by hand', () => {
  const byHand = sources().filter((path) => /\bcustomGrad\b/.test(readFileSync(path, 'utf8')));
  expect(byHand.length).toBeGreaterThan(1);
  expect(byHand.filter((path) => !(path in covered))).toEqual([]);
});

function sources(): string[] {
  const files = readdirSync('stages', { recursive: true, encoding: 'utf8' });
  return files
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join('stages', name).replaceAll('\\', '/'));
}

const isClass = (value: unknown): boolean => /^class\b/.test(String(value));
