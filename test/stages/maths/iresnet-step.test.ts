/** IResNet on every device against PyTorch: embeddings, and loss, gradients and running statistics of a training step. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { iresnet } from '../../../stages/recognition/iresnet.js';
import { type Device, openDevice } from '../../../stages/tensors/device.js';
import { bind, layoutOf, valueAndGradient } from '../../../stages/tensors/network.js';
import { fill, fromTorch, reference } from '../recognition/reference.js';
import { difference, testDevices, tolerance } from './devices.js';
import {
  architectureOf,
  classification,
  imagesOf,
  labels,
  losses,
  marginOf,
  weightsOf,
} from './iresnet-case.js';

describe.each(testDevices)('on %s', (deviceName) => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice(deviceName, { threads: 1 });
  });
  // A whole network adds up the rounding of some twenty layers.
  const near = 20 * tolerance[deviceName];

  test.each(labels)(
    'IResNet (%s) has the weights of arcface_torch and gives the same embeddings',
    async (label) => {
      const config = architectureOf(label);
      const images = imagesOf(config);
      const layout = layoutOf((scope) => iresnet(scope, config, tf.zeros(images.shape)));
      expect(layout.weights.map(({ name }) => name).sort()).toEqual(reference.network[label].names);
      const { weights, buffers } = weightsOf(layout);
      const compiled = device.compile((w: tf.Tensor1D, b: tf.Tensor1D, x: tf.Tensor4D) =>
        iresnet(bind(layout, w, b, false), config, x),
      );
      const embeddings = await compiled(tf.tensor1d(weights), tf.tensor1d(buffers), images);
      compiled.dispose();
      const expected = reference.network[label].embeddings.flat();
      expect(difference(await embeddings.data(), expected)).toBeLessThan(near);
    },
  );

  test.each(labels.flatMap((label) => losses.map((loss) => ({ label, loss }))))(
    'a training step of IResNet ($label) with $loss has the loss, gradients and statistics of PyTorch',
    async ({ label, loss }) => {
      const config = architectureOf(label);
      const { layout, lossOf } = classification(config, marginOf(loss));
      const { weights, buffers } = weightsOf(layout);
      const compiled = device.compile((w: tf.Tensor1D, b: tf.Tensor1D, x: tf.Tensor4D) =>
        valueAndGradient(layout, w, b, (scope) => lossOf(scope, x)),
      );
      const result = await compiled(tf.tensor1d(weights), tf.tensor1d(buffers), imagesOf(config));
      compiled.dispose();
      const expected = reference.network[label].losses[loss];
      expect(difference(await result.loss.data(), [expected.value])).toBeLessThan(near);

      const gradient = (await result.gradient.data()) as Float32Array;
      const largest = Math.max(...Object.values(expected.gradients).map(([norm]) => norm));
      for (const { name, shape, offset, size } of layout.weights) {
        const own = gradient.subarray(offset, offset + size);
        const probe = fromTorch(fill('probe', size), shape);
        const product = own.reduce((sum, g, i) => sum + g * probe[i]!, 0);
        // As parts of the norm; some gradients vanish (a bias before a norm), and are rounding of what is large.
        const whole = Math.max(expected.gradients[name]![0], largest / 1000);
        const parts = (values: readonly number[]) => values.map((value) => value / whole);
        const found = parts([Math.hypot(...own), product]);
        expect(difference(found, parts(expected.gradients[name]!)), name).toBeLessThan(near);
      }
      const after = (await result.buffers.data()) as Float32Array;
      for (const { name, offset, size } of layout.buffers) {
        const own = after.subarray(offset, offset + size);
        const [value, wanted] = name.startsWith('adaface')
          ? [own[0]!, expected.state![name.endsWith('mean') ? 0 : 1]]
          : [Math.hypot(...own), expected.running[name]!];
        expect(difference([value], [wanted]), name).toBeLessThan(near);
      }
    },
  );
});
