/** A thread that renders: takes batches of orders, answers with their pixels. */
import { parentPort, workerData } from 'node:worker_threads';
import { type Order, Studio } from './order.js';
import { FaceRenderer } from './renderer.js';

export interface WorkerSetting {
  size: number;
  seed: number;
  population: number;
}

const { size, seed, population } = workerData as WorkerSetting;
const studio = new Studio(new FaceRenderer(size), seed, population);
parentPort!.on('message', (orders: Order[]) => {
  const stride = size * size * 3;
  const pixels = new Uint8Array(orders.length * stride);
  orders.forEach((order, i) => studio.take(order, pixels, i * stride));
  parentPort!.postMessage(pixels, [pixels.buffer]);
});
