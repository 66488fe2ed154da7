/** E_id in training and use, as fr-train and the stages that embed run it. */
import * as tf from '@tensorflow/tfjs';
import type { JsonObject } from '../../engine/experiment/experiment.js';
import { batchOf, openRecogniser } from '../../stages/recognition/embed.js';
import { reported, trainStep, type TrainState } from '../../stages/recognition/train-step.js';
import { toNamed } from '../../stages/tensors/named-arrays.js';
import { initialBuffers } from '../../stages/tensors/network.js';
import { Random } from '../../stages/tensors/random.js';
import type { Task } from './compute.js';
import { prefixed, type TimedRecogniser } from './networks.js';

const lr = 0.01;

/** Forward, margin loss, backward and SGD on one batch. */
export function recogniserTraining({ settings, layout, weights, batch, size }: TimedRecogniser): Task {
  const random = new Random(1, 'bench');
  const shape: [number, number, number, number] = [batch, size, size, 3];
  const pixels = random.fillNormal(new Float32Array(batch * size * size * 3));
  const labels = Int32Array.from({ length: batch }, () => random.int(settings.classes));
  const buffers = initialBuffers(layout);
  const { architecture, margin, momentum, weightDecay, clip } = settings;
  return {
    what: `training step of ${batch}`,
    images: batch,
    open(device) {
      const step = device.compile(trainStep(settings, layout), { donate: [0] });
      let state: TrainState = {
        weights: tf.tensor1d(weights.slice()),
        m: tf.zeros([layout.size]),
        buffers: tf.tensor1d(buffers.slice()),
        sums: tf.zeros([reported.length]),
      };
      let before = 0;
      return {
        async turn() {
          const given = [tf.tensor4d(pixels, shape), tf.tensor1d(labels, 'int32'), tf.scalar(lr)] as const;
          state = await step(state, ...given);
          const [sum] = (await state.sums.data()) as Float32Array;
          tf.dispose([...given]);
          const loss = sum! - before;
          before = sum!;
          return loss;
        },
        close() {
          step.dispose();
          tf.dispose({ ...state });
        },
      };
    },
    torch: () => ({
      settings: {
        kind: 'train-recogniser',
        recogniser: architecture as unknown as JsonObject,
        margin: margin as unknown as JsonObject,
        lr,
        momentum,
        weightDecay,
        clip,
      },
      tensors: new Map([
        ...prefixed('network/', toNamed(layout, weights, buffers)),
        ['input/images', { shape, data: pixels }],
        ['input/labels', { shape: [batch], data: labels }],
      ]),
    }),
  };
}

/** Bytes in, unit rows out. */
export function embedding({ folder, settings, layout, weights, size }: TimedRecogniser): Task {
  const batch = batchOf(size);
  const images = size < 64 ? 2 * batch : batch;
  const random = new Random(1, 'bench');
  const pixels = Uint8Array.from({ length: images * size * size * 3 }, () => random.int(256));
  return {
    what: `embedding of ${images}`,
    images,
    open(device) {
      let recogniser: Awaited<ReturnType<typeof openRecogniser>> | undefined;
      return {
        async turn() {
          recogniser ??= await openRecogniser(folder, device);
          const rows = await recogniser.embed(pixels, size, size);
          return rows.reduce((sum, value) => sum + Math.abs(value), 0);
        },
        close: () => recogniser?.dispose(),
      };
    },
    torch: () => ({
      settings: { kind: 'embed', batch, recogniser: settings.architecture as unknown as JsonObject },
      tensors: new Map([
        ...prefixed('recogniser/', toNamed(layout, weights, initialBuffers(layout))),
        ['input/images', { shape: [images, size, size, 3], data: pixels }],
      ]),
    }),
  };
}
