/** Two tiny IResNets with margin losses and a batch, as test/reference/recognition_reference.py has them. */
import * as tf from '@tensorflow/tfjs';
import { iresnet, type IResNetConfig } from '../../../stages/recognition/iresnet.js';
import { classify, crossEntropy, type Margin } from '../../../stages/recognition/margins.js';
import { fromNamed } from '../../../stages/tensors/named-arrays.js';
import { layoutOf, type Layout, type Scope } from '../../../stages/tensors/network.js';
import { fill, filled, fromTorch, reference } from '../recognition/reference.js';

export const labels = ['plain', 'se'] as const;
export const losses = ['cosface', 'arcface', 'adaface'] as const;

export function architectureOf(label: (typeof labels)[number]): IResNetConfig {
  const { widths, blocks, stem_stride, se, embedding, size } = reference.network[label].shape;
  return { widths, blocks, stemStride: stem_stride, se, embeddingSize: embedding, inputSize: size };
}

/** Made on the current backend. */
export function imagesOf({ inputSize }: IResNetConfig): tf.Tensor4D {
  return tf.tensor4d(fill('images', 3 * inputSize * inputSize * 3), [3, inputSize, inputSize, 3]);
}

/** The flat vectors of the reference's weights. */
export function weightsOf(layout: Layout): { weights: Float32Array; buffers: Float32Array } {
  const named = [...layout.weights, ...layout.buffers].map(
    ({ name, shape }): [string, { shape: number[]; data: Float32Array }] => [
      name,
      {
        shape,
        data: name.startsWith('adaface')
          ? Float32Array.of(name.endsWith('mean') ? 2 : 0.5)
          : fromTorch(filled(name, shape), shape),
      },
    ],
  );
  return fromNamed(layout, new Map(named));
}

export function marginOf(loss: (typeof losses)[number]): Margin {
  return loss === 'adaface'
    ? { loss, margin: 0.4, scale: 16, h: 0.333, tAlpha: 0.01 }
    : { loss, margin: 0.4, scale: 16 };
}

/** The loss of the batch as `valueAndGradient` takes it, and the layout it needs. */
export function classification(
  config: IResNetConfig,
  margin: Margin,
): { layout: Layout; lossOf: (scope: Scope, images: tf.Tensor4D) => { loss: tf.Scalar } } {
  const lossOf = (scope: Scope, images: tf.Tensor4D) => {
    const oneHot = tf.cast(tf.oneHot(tf.tensor1d([2, 0, 3], 'int32'), 4), 'float32') as tf.Tensor2D;
    return {
      loss: crossEntropy(classify(scope, margin, iresnet(scope, config, images), oneHot).logits, oneHot),
    };
  };
  const { inputSize } = config;
  return { layout: layoutOf((scope) => lossOf(scope, tf.zeros([3, inputSize, inputSize, 3]))), lossOf };
}
