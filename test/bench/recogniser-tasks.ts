/** E_id in training and use, as fr-train and the stages that embed run it. */
import * as tf from '@tensorflow/tfjs';
import { openRecogniser } from '../../stages/recognition/embed.js';
import { reported, trainStep, type TrainState } from '../../stages/recognition/train-step.js';
import { initialBuffers, initialWeights } from '../../stages/tensors/network.js';
import { Random } from '../../stages/tensors/random.js';
import type { Task } from './compute.js';
import type { QuickstartRecogniser } from './quickstart.js';

/** Forward, margin loss, backward and SGD on one batch. */
export function recogniserTraining({ settings, layout, batch, size }: QuickstartRecogniser): Task {
  return {
    what: `training step of ${batch}`,
    images: batch,
    open(device) {
      const step = device.compile(trainStep(settings, layout), { donate: [0] });
      const random = new Random(1, 'bench');
      const pixels = random.fillNormal(new Float32Array(batch * size * size * 3));
      const labels = Int32Array.from({ length: batch }, () => random.int(settings.classes));
      let state: TrainState = {
        weights: tf.tensor1d(initialWeights(layout, 1, 'recognition')),
        m: tf.zeros([layout.size]),
        buffers: tf.tensor1d(initialBuffers(layout)),
        sums: tf.zeros([reported.length]),
      };
      return {
        async turn() {
          const given = [
            tf.tensor4d(pixels, [batch, size, size, 3]),
            tf.tensor1d(labels, 'int32'),
            tf.scalar(0.01),
          ] as const;
          state = await step(state, ...given);
          await state.sums.data();
          tf.dispose([...given]);
        },
        close() {
          step.dispose();
          tf.dispose({ ...state });
        },
      };
    },
  };
}

/** Bytes in, unit rows out. */
export function embedding({ folder, size }: QuickstartRecogniser): Task {
  const images = 512;
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
          await recogniser.embed(pixels, size, size);
        },
        close: () => recogniser?.dispose(),
      };
    },
  };
}
