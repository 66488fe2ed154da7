/** A training of any length holds as many tensors at its end as at its beginning. */
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import type { StageDeclaration } from '../../../stages/contract.js';
import { stage as diffusionTrain } from '../../../stages/diffusion/diffusion-train.stage.js';
import { stage as frTrain } from '../../../stages/recognition/fr-train.stage.js';
import { StageLab } from '../recognition/stage-lab.js';

const network = { widths: [4], blocks: [1], stemStride: 2, embeddingSize: 8 };
const unet = {
  base: 4, multipliers: [1, 1], attentionAt: [2], headChannels: 4, groups: 2, timeWidth: 8, decoder: 'light', learnedVariance: false,
}; // prettier-ignore

test.each([
  {
    stage: frTrain as StageDeclaration<never>,
    settings: { backbone: 'custom', network, batch: 8, scale: 8, metricsEvery: 10 },
  },
  {
    stage: diffusionTrain as StageDeclaration<never>,
    settings: { method: 'unconditional', unet, batch: 4, metricsEvery: 10 },
  },
])('$stage.kind', async ({ stage, settings }) => {
  using lab = new StageLab();
  const dataset = lab.patterns({ identities: 4, each: 6, size: 8 });
  const before = tf.memory().numTensors;
  const tensors = new Map<number, number>();
  await lab.run(stage, {
    inputs: { dataset },
    settings: { ...settings, steps: 300, onCollapse: 'warn' },
    device: 'onnx',
    progress: (done) => tensors.set(done, tf.memory().numTensors),
  });
  expect(tensors.get(300)).toBe(tensors.get(20));
  expect(tf.memory().numTensors).toBe(before);
});
