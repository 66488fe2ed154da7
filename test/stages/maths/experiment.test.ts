/**
 * The same small experiment on every device: a recogniser is trained, its centers are computed, a generator is trained under it, faces
 * are generated. Each device must give what tfjs' plain 'cpu' gives.
 */
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { stage as centerCompute } from '../../../stages/centers/center-compute.stage.js';
import { ImageSet } from '../../../stages/data/image-set.js';
import { readNpyAs } from '../../../stages/data/npy.js';
import { stage as diffusionTrain } from '../../../stages/diffusion/diffusion-train.stage.js';
import { stage as generate } from '../../../stages/diffusion/generate.stage.js';
import { stage as frTrain } from '../../../stages/recognition/fr-train.stage.js';
import type { DeviceName } from '../../../stages/tensors/device.js';
import { tinyUnet } from '../diffusion/workbench.js';
import { type Recorded, StageLab } from '../recognition/stage-lab.js';
import { difference, testDevices } from './devices.js';

/** Training enlarges differences of rounding step by step. As a fraction of the largest number of a kind; pixels in 255ths. */
const tolerance: Readonly<
  Record<Exclude<DeviceName, 'cpu'>, { metric: number; centers: number; pixel: number }>
> = {
  tensorflow: { metric: 1e-4, centers: 1e-4, pixel: 1 },
  webgpu: { metric: 1e-2, centers: 1e-2, pixel: 3 },
  onnx: { metric: 1e-4, centers: 1e-4, pixel: 1 },
  'onnx-webgpu': { metric: 1e-2, centers: 1e-2, pixel: 3 },
  wasm: { metric: 1e-4, centers: 1e-4, pixel: 1 },
};

interface Results {
  /** Every value reported on the way, by stage and name. */
  metrics: Record<string, number[]>;
  centers: Float32Array;
  pixels: Uint8Array;
}

async function experiment(device: DeviceName): Promise<Results> {
  using lab = new StageLab();
  const dataset = lab.patterns({ identities: 3, each: 3, size: 8 });
  const network = { widths: [6], blocks: [1], stemStride: 2, embeddingSize: 6 };
  const recogniser = await lab.run(frTrain, {
    device,
    inputs: { dataset },
    settings: {
      backbone: 'custom',
      network,
      loss: 'adaface',
      batch: 8,
      steps: 12,
      lr: 0.05,
      metricsEvery: 3,
    },
  });
  const model = lab.input('model', recogniser.outputs['model']!);
  const centers = await lab.run(centerCompute, { device, inputs: { dataset, model } });
  const generator = await lab.run(diffusionTrain, {
    device,
    inputs: { dataset, model },
    settings: { ...tinyUnet, method: 'cemiface', batch: 4, steps: 4, lr: 0.003, T: 50, metricsEvery: 2 },
  });
  const samples = await lab.run(generate, {
    device,
    inputs: { generator: lab.input('model', generator.outputs['model']!), inquiry: dataset, model },
    settings: { m: 0.3, perIdentity: 1, oversample: 0, inquiryFilter: -1, steps: 3, eta: 1, batch: 3 },
  });
  return {
    metrics: Object.fromEntries(
      Object.entries({ recogniser, centers, generator, samples }).flatMap(([stage, recorded]) =>
        seriesOf(stage, recorded),
      ),
    ),
    centers: readNpyAs(join(centers.outputs['centers']!, 'centers.npy'), 'float32').data,
    pixels: ImageSet.open(samples.outputs['images']!).all(),
  };
}

const timed = ['images_per_second', 'data_wait'];

/** Values by name, less those that tell of the clock. */
function seriesOf(stage: string, { points }: Recorded): [string, number[]][] {
  const names = new Set(points.map(({ name }) => name).filter((name) => !timed.includes(name)));
  return [...names].map((name) => [
    `${stage}: ${name}`,
    points.filter((point) => point.name === name).map(({ value }) => value),
  ]);
}

const others = testDevices.filter((device) => device !== 'cpu');

// On a software GPU each step compiles and starts hundreds of shaders.
describe.skipIf(others.length === 0)('an experiment', { timeout: 600_000 }, () => {
  let reference: Results;
  beforeAll(async () => {
    reference = await experiment('cpu');
    expect(Object.keys(reference.metrics)).toEqual(
      expect.arrayContaining(['recogniser: loss', 'generator: loss/sim', 'samples: similarity/mean']),
    );
  });

  test.each(others)('on %s gives the results of cpu within the tolerance stated', async (device) => {
    const results = await experiment(device);
    const { metric, centers, pixel } = tolerance[device];
    expect(Object.keys(results.metrics)).toEqual(Object.keys(reference.metrics));
    for (const [name, values] of Object.entries(reference.metrics)) {
      expect(difference(results.metrics[name]!, values), name).toBeLessThanOrEqual(metric);
    }
    expect(difference(results.centers, reference.centers), 'centers').toBeLessThanOrEqual(centers);
    const worst = reference.pixels.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - results.pixels[i]!)),
      0,
    );
    expect(worst, 'pixels').toBeLessThanOrEqual(pixel);
  });
});
