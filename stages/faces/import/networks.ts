/**
 * Detector and landmark network, compiled on a device, in batches of one fixed size: what a picture gives never depends
 * on which pictures are computed beside it or how many are left.
 */
import * as tf from '@tensorflow/tfjs';
import { type FloatWeights, readFaceApiWeights } from '../../recognition/face-api/weights.js';
import type { Device } from '../../tensors/device.js';
import { decodeFaces, detectFaces, detectorSize, type FaceBox, foldDetectorWeights } from './detector.js';
import { findLandmarks, landmarkCount, landmarkSize } from './landmarks.js';

/** Pictures computed together. */
export const networkBatch = 4;

export interface FaceNetworks {
  /**
   * @param inputs at most `networkBatch` pictures, each uint8 [512, 512, 3]
   * @returns the faces of each, in pixels of the input, the most confident first
   */
  detect(inputs: readonly Uint8Array[], confidence: number): Promise<FaceBox[][]>;
  /**
   * @param crops at most `networkBatch` face boxes, each uint8 [112, 112, 3]
   * @returns x, y of the 68 landmarks of each, as fractions of the crop's edge, [68 * 2]
   */
  landmarks(crops: readonly Uint8Array[]): Promise<Float32Array[]>;
  close(): void;
}

export async function openFaceNetworks(device: Device): Promise<FaceNetworks> {
  const detector = foldDetectorWeights(await readFaceApiWeights('ssd_mobilenetv1_model'));
  const anchors = detector.get('anchors')!.data;
  detector.delete('anchors');

  const network = (
    weights: FloatWeights,
    size: number,
    compute: (x: tf.Tensor4D, weight: (name: string) => tf.Tensor) => tf.Tensor,
  ) => {
    const tensors = Object.fromEntries(
      [...weights].map(([name, { shape, data }]) => [name, tf.tensor(data, shape)]),
    );
    const compiled = device.compile((x: tf.Tensor4D, named: Record<string, tf.Tensor>) =>
      compute(x, (name) => named[name]!),
    );
    return {
      /** One row of the result for each input. */
      async run(inputs: readonly Uint8Array[]): Promise<Float32Array[]> {
        if (inputs.length > networkBatch)
          throw new RangeError(`${inputs.length} pictures; at most ${networkBatch}`);
        const batch = new Float32Array(networkBatch * size * size * 3);
        inputs.forEach((input, i) => batch.set(input, i * size * size * 3));
        const x = tf.tensor4d(batch, [networkBatch, size, size, 3]);
        const result = await compiled(x, tensors);
        const values = (await result.data()) as Float32Array;
        const row = result.size / networkBatch;
        const rows = inputs.map((_, i) => values.slice(i * row, (i + 1) * row));
        tf.dispose([x, result]);
        return rows;
      },
      close() {
        compiled.dispose();
        tf.dispose(tensors);
      },
    };
  };

  const detection = network(detector, detectorSize, (x, weight) => detectFaces(x, weight));
  const landmarks = network(await readFaceApiWeights('face_landmark_68_model'), landmarkSize, (x, weight) =>
    findLandmarks(x, weight),
  );
  return {
    async detect(inputs, confidence) {
      return (await detection.run(inputs)).map((output) => decodeFaces(output, anchors, confidence));
    },
    async landmarks(crops) {
      return (await landmarks.run(crops)).map((row) => row.subarray(0, 2 * landmarkCount));
    },
    close() {
      detection.close();
      landmarks.close();
    },
  };
}
