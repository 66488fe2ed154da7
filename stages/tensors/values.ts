/** The numbers of a tensor that a device has computed. */
import * as tf from '@tensorflow/tfjs';

/**
 * As `tensor.data()`, for float32. Where tfjs' backend has them in this process' memory they are taken from there: what passes through `data()`,
 * written for engines without async functions, lives on as garbage till V8 collects all of its heap (of results of 16 KiB, 30 MiB and more).
 */
export async function valuesOf(tensor: tf.Tensor): Promise<Float32Array> {
  return (tf.getBackend() === 'cpu' ? tensor.dataSync() : await tensor.data()) as Float32Array;
}
