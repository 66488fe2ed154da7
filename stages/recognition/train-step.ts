/** One step of FR training as a pure function of tensors: network, margin loss, gradient, SGD. */
import * as tf from '@tensorflow/tfjs';
import { type Layout, layoutOf, valueAndGradient } from '../tensors/network.js';
import { clipByGlobalNorm, sgdMomentum } from '../tensors/optimisers.js';
import { iresnet, type IResNetConfig } from './iresnet.js';
import { classify, crossEntropy, type Margin } from './margins.js';

export interface TrainState {
  weights: tf.Tensor1D;
  /** Velocity of SGD. */
  m: tf.Tensor1D;
  /** Running statistics of the network, and AdaFace's. */
  buffers: tf.Tensor1D;
  /** Sums since the last metrics, in the order of `reported`: read rarely, so that a GPU need not wait for us. */
  sums: tf.Tensor1D;
}

/**
 * What a step reports, means over the batch: the loss; the share of images whose own class has the largest cosine, the
 * margin left out; their cosine to it.
 */
export const reported = ['loss', 'accuracy', 'own'] as const;

export interface StepSettings {
  architecture: IResNetConfig;
  margin: Margin;
  classes: number;
  momentum: number;
  weightDecay: number;
  clip: number;
}

/** The network with its classifier rows, in one flat vector. */
export function trainLayout({ architecture, margin, classes }: StepSettings): Layout {
  const size = architecture.inputSize;
  return layoutOf((scope) =>
    classify(
      scope,
      margin,
      iresnet(scope, architecture, tf.zeros([2, size, size, 3])),
      tf.zeros([2, classes]),
    ),
  );
}

/**
 * @returns (state, images [B, H, W, 3] in [-1, 1], labels int32 [B], lr) -> the next state
 */
export function trainStep(settings: StepSettings, layout: Layout) {
  const { architecture, margin, classes, momentum, weightDecay, clip } = settings;
  return (state: TrainState, images: tf.Tensor4D, labels: tf.Tensor1D, lr: tf.Scalar): TrainState => {
    const oneHot = tf.cast(tf.oneHot(labels, classes), 'float32') as tf.Tensor2D;
    const { loss, aux, gradient, buffers } = valueAndGradient(
      layout,
      state.weights,
      state.buffers,
      (scope) => {
        const { logits, cosines, own } = classify(
          scope,
          margin,
          iresnet(scope, architecture, images),
          oneHot,
        );
        const best = tf.max(cosines, 1, true);
        const accuracy = tf.mean(tf.cast(tf.greaterEqual(own, best), 'float32'));
        return { loss: crossEntropy(logits, oneHot), aux: { accuracy, own: tf.mean(own) } };
      },
    );
    const next = sgdMomentum(state, clip > 0 ? clipByGlobalNorm(gradient, clip) : gradient, {
      lr,
      momentum,
      weightDecay,
    });
    const numbers = tf.stack([loss, aux.accuracy, aux.own]) as tf.Tensor1D;
    return { ...next, buffers, sums: tf.add(state.sums, numbers) };
  };
}
