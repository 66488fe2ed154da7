import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import {
  describe as describeNetwork,
  earlyFeatures,
  iresnet,
  type IResNetConfig,
  iresnetProblems,
  presets,
} from '../../../stages/recognition/iresnet.js';
import { classify, crossEntropy, type Margin } from '../../../stages/recognition/margins.js';
import {
  bind,
  fromNamed,
  layoutOf,
  type Layout,
  type Slot,
  valueAndGradient,
} from '../../../stages/tensors/network.js';
import { fill, filled, fromTorch, reference } from './reference.js';

beforeAll(() => tf.setBackend('cpu'));

function architecture(label: 'plain' | 'se'): IResNetConfig {
  const { widths, blocks, stem_stride, se, embedding, size } = reference.network[label].shape;
  return { widths, blocks, stemStride: stem_stride, se, embeddingSize: embedding, inputSize: size };
}

const imagesOf = ({ inputSize }: IResNetConfig) =>
  tf.tensor4d(fill('images', 3 * inputSize * inputSize * 3), [3, inputSize, inputSize, 3]);

/** The flat vectors of the reference's weights. */
function weightsOf(layout: Layout) {
  const named = [...layout.weights, ...layout.buffers].map(
    (slot): [string, { shape: number[]; data: Float32Array }] => [
      slot.name,
      {
        shape: slot.shape,
        data: slot.name.startsWith('adaface')
          ? adafaceState(slot)
          : fromTorch(filled(slot.name, slot.shape), slot.shape),
      },
    ],
  );
  const { weights, buffers } = fromNamed(layout, new Map(named));
  return { weights: tf.tensor1d(weights), buffers: tf.tensor1d(buffers) };
}

const adafaceState = ({ name }: Slot) => Float32Array.of(name.endsWith('mean') ? 2 : 0.5);

test.each(['plain', 'se'] as const)(
  'IResNet (%s) has the weights of arcface_torch and gives the same embeddings',
  (label) => {
    const config = architecture(label);
    const images = imagesOf(config);
    const layout = layoutOf((scope) => iresnet(scope, config, images));
    expect(layout.weights.map(({ name }) => name).sort()).toEqual(reference.network[label].names);
    const { weights, buffers } = weightsOf(layout);
    const embeddings = iresnet(
      bind(layout, weights, buffers, false),
      config,
      images,
    ).arraySync() as number[][];
    reference.network[label].embeddings.forEach((row, i) =>
      row.forEach((value, k) => expect(embeddings[i]![k]).toBeCloseTo(value, 4)),
    );
  },
);

const cases = (['plain', 'se'] as const).flatMap((label) =>
  (['cosface', 'arcface', 'adaface'] as const).map((loss) => ({ label, loss })),
);

test.each(cases)(
  'a training step of IResNet ($label) with $loss has the loss, gradients and statistics of PyTorch',
  ({ label, loss }) => {
    const config = architecture(label);
    const images = imagesOf(config);
    const oneHot = tf.oneHot(tf.tensor1d([2, 0, 3], 'int32'), 4).toFloat() as tf.Tensor2D;
    const margin: Margin =
      loss === 'adaface'
        ? { loss, margin: 0.4, scale: 16, h: 0.333, tAlpha: 0.01 }
        : { loss, margin: 0.4, scale: 16 };
    const layout = layoutOf((scope) => classify(scope, margin, iresnet(scope, config, images), oneHot));
    const { weights, buffers } = weightsOf(layout);
    const result = valueAndGradient(layout, weights, buffers, (scope) => ({
      loss: crossEntropy(classify(scope, margin, iresnet(scope, config, images), oneHot).logits, oneHot),
    }));
    const expected = reference.network[label].losses[loss];
    expect(result.loss.dataSync()[0]! / expected.value).toBeCloseTo(1, 5);

    const gradient = result.gradient.dataSync() as Float32Array;
    const largest = Math.max(...Object.values(expected.gradients).map(([norm]) => norm));
    for (const { name, shape, offset, size } of layout.weights) {
      const own = gradient.subarray(offset, offset + size);
      const probe = fromTorch(fill('probe', size), shape);
      const [norm, product] = expected.gradients[name]!;
      // Some gradients vanish (a bias before a norm), so errors are measured against the largest.
      expect(Math.hypot(...own) / largest, name).toBeCloseTo(norm / largest, 5);
      expect(own.reduce((sum, g, i) => sum + g * probe[i]!, 0) / largest, name).toBeCloseTo(
        product / largest,
        5,
      );
    }
    const after = result.buffers.dataSync() as Float32Array;
    for (const { name, offset, size } of layout.buffers) {
      const own = after.subarray(offset, offset + size);
      if (name.startsWith('adaface'))
        expect(own[0]).toBeCloseTo(expected.state![name.endsWith('mean') ? 0 : 1], 5);
      else expect(Math.hypot(...own), name).toBeCloseTo(expected.running[name]!, 4);
    }
  },
);

test('the presets have the parameters that arcface_torch reports: 24.0 M for r18, 43.6 M for r50', () => {
  // Counted in the shapes alone: 3 x 3 and 1 x 1 filters, two numbers a norm channel, one slope a PReLU channel.
  const count = ({ widths, blocks, se, embeddingSize }: Omit<IResNetConfig, 'inputSize'>) => {
    let total = 27 * widths[0]! + 3 * widths[0]!;
    let from = widths[0]!;
    widths.forEach((to, stage) => {
      for (let block = 0; block < blocks[stage]!; block++) {
        total +=
          2 * from + 9 * from * to + 2 * to + to + 9 * to * to + 2 * to + (se ? (2 * to * to) / 16 : 0);
        if (block === 0) total += from * to + 2 * to;
        from = to;
      }
    });
    return total + 2 * from + from * 49 * embeddingSize + 2 * embeddingSize;
  };
  expect(count(presets.ir18) / 1e6).toBeCloseTo(24.0, 1);
  expect(count(presets.ir50) / 1e6).toBeCloseTo(43.6, 1);
  // And the layout agrees with the count, where it is quick to make.
  const small = { ...presets.small, inputSize: 32 };
  const layout = layoutOf((scope) => iresnet(scope, small, tf.zeros([2, 32, 32, 3])));
  const fc = 96 * 4 * 64;
  expect(layout.size).toBe(count(small) - 96 * 49 * 64 + fc);
});

test('the early feature map is the first stage, or the stem where that would be under 10 cells a side', () => {
  const shapeOf = (config: IResNetConfig) => {
    let shape: number[] = [];
    layoutOf((scope) => {
      shape = earlyFeatures(scope, config, tf.zeros([1, config.inputSize, config.inputSize, 3])).shape;
    });
    return shape;
  };
  expect(shapeOf({ ...presets.small, inputSize: 32 })).toEqual([1, 16, 16, 24]);
  expect(shapeOf({ ...presets.small, inputSize: 64 })).toEqual([1, 16, 16, 24]);
});

test('shapes that cannot be are told, and known ones are named', () => {
  expect(iresnetProblems({ ...presets.small, inputSize: 8 })).toEqual([
    'images of 8 px are too small for a network that shrinks them 16 times',
  ]);
  expect(iresnetProblems({ ...presets.small, blocks: [1], inputSize: 32 })[0]).toContain(
    '3 widths and 1 blocks',
  );
  expect(describeNetwork({ ...presets.irse50, inputSize: 112 })).toBe(
    'irse50 (IR-SE 64/128/256/512 x 3/4/14/3, 512-d)',
  );
  expect(describeNetwork({ ...presets.tiny, embeddingSize: 32, inputSize: 32 })).toBe(
    'IResNet 16/32/64 x 1/1/1, 32-d',
  );
});
