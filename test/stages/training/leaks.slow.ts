/**
 * Ten thousand steps of a training, whole as a stage runs it, take no more memory than the first thousand: neither tensors, nor memory
 * outside of JavaScript, which only the size of the process shows.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { StageLab } from '../recognition/stage-lab.js';
import { tinyTrainings } from './tiny-trainings.js';

const [early, steps] = [1000, 10_000];
/** Traces of the step that are made again on the way (calls 1,024 and 8,192) leave some megabytes; a leak of 4 KiB a step, the smallest map, is 35. */
const mostGrowth = 20 * 2 ** 20;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

test.each(tinyTrainings)('$stage.kind: ten thousand compiled steps', async ({ stage, settings }) => {
  using lab = new StageLab();
  const dataset = lab.patterns({ identities: 4, each: 6, size: 8 });
  const at = new Map<number, { tensors: number; rss: number }>();
  await lab.run(stage, {
    inputs: { dataset },
    settings: { ...settings, steps, metricsEvery: 100, onCollapse: 'warn' },
    device: 'onnx',
    progress: (done) => {
      if (done !== early && done !== steps) return;
      collectGarbage();
      at.set(done, { tensors: tf.memory().numTensors, rss: process.memoryUsage.rss() });
    },
  });
  const [first, last] = [at.get(early)!, at.get(steps)!];
  expect(last.tensors).toBe(first.tensors);
  const growth = last.rss - first.rss;
  console.log(
    `${stage.kind}: ${(first.rss / 2 ** 20).toFixed(0)} MiB, ${(growth / 2 ** 20).toFixed(1)} MiB more at the end`,
  );
  expect(growth).toBeLessThan(mostGrowth);
});
