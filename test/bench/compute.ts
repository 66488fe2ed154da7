/**
 * The quickstart's networks in training and use: compiled on ONNX Runtime with one and two threads, beside the same functions as they
 * are on tfjs' wasm backend, turn by turn. Weights and pixels are random; times do not depend on them.
 */
import { type Device, openDevice } from '../../stages/tensors/device.js';
import type { Benchmark, Measured, Row } from './benchmark.js';
import { type Contestant, race } from './measure.js';
import { quickstartRecogniser } from './quickstart.js';
import { embedding, recogniserTraining } from './recogniser-tasks.js';
import { denoising, generatorTraining } from './unet-tasks.js';

/** Some work that a device can be given. */
export interface Task {
  what: string;
  /** Images it gets through in a turn. */
  images: number;
  /** @param device tfjs' current one */
  open(device: Device): Turns;
}

export interface Turns {
  turn(): Promise<void>;
  close(): void;
}

/** The last is the peer of the others. */
const rivals = [
  { device: 'onnx', threads: 1, name: 'onnx, 1 thread' },
  { device: 'onnx', threads: 2, name: 'onnx, 2 threads' },
  { device: 'wasm', threads: 1, name: 'wasm' },
];
const peer = 'wasm';

export const computeUnet: Benchmark = {
  name: 'compute-unet',
  title: "the quickstart's CemiFace generator, training step and DDIM step",
  run: async () => measureTasks([await generatorTraining(), await denoising()]),
};

export const computeRecogniser: Benchmark = {
  name: 'compute-recogniser',
  title: "the quickstart's E_id, training step and embedding",
  run: async () => {
    const recogniser = await quickstartRecogniser();
    return measureTasks([recogniserTraining(recogniser), embedding(recogniser)]);
  },
};

async function measureTasks(tasks: readonly Task[]): Promise<Measured> {
  const parts: Measured[] = [];
  for (const task of tasks) parts.push(await measureTask(task));
  return { rows: parts.flatMap(({ rows }) => rows), notes: parts.flatMap(({ notes }) => notes) };
}

/** The task on each device that works here. */
async function measureTask({ what, images, open }: Task): Promise<Measured> {
  const entered: (Contestant & { name: string; close(): void })[] = [];
  const notes: string[] = [];
  for (const { device, threads, name } of rivals) {
    // Opening a device again makes its backend tfjs' current one.
    const ready = () => openDevice(device, { threads });
    try {
      const { turn, close } = open(await ready());
      await turn(); // compiles, and warms up what does not
      entered.push({ name, ready, run: turn, close });
    } catch (error) {
      notes.push(`${what}: not on ${name}: ${(error as Error).message}`);
    }
  }
  const times = await race(entered, { rounds: 5, seconds: 6 });
  for (const { close } of entered) close();
  const ofPeer = times[entered.findIndex(({ name }) => name === peer)];
  const rows = entered.map(({ name }, i): Row => ({
    what: `${what}, ${name}`,
    seconds: times[i]!,
    work: { amount: images, unit: 'images' },
    ...(ofPeer && name !== peer ? { peer: { name: peer, seconds: ofPeer } } : {}),
  }));
  return { rows, notes };
}
