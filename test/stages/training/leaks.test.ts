/** A training of any length holds as many tensors at its end as at its beginning. Memory: leaks.slow.ts. */
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { StageLab } from '../recognition/stage-lab.js';
import { tinyTrainings } from './tiny-trainings.js';

const cases = tinyTrainings.flatMap((training) => [
  { ...training, device: 'onnx', steps: 300 },
  { ...training, device: 'wasm', steps: 60 },
  { ...training, device: 'cpu', steps: 40 },
]);

test.each(cases)('$stage.kind on $device', async ({ stage, settings, device, steps }) => {
  using lab = new StageLab();
  const dataset = lab.patterns({ identities: 4, each: 6, size: 8 });
  const before = tf.memory().numTensors;
  const tensors = new Map<number, number>();
  await lab.run(stage, {
    inputs: { dataset },
    settings: { ...settings, metricsEvery: 10, steps, onCollapse: 'warn' },
    device,
    progress: (done) => tensors.set(done, tf.memory().numTensors),
  });
  expect(tensors.get(steps)).toBe(tensors.get(20));
  expect(tf.memory().numTensors).toBe(before);
});
