/**
 * Networks in training and use, compiled on ONNX Runtime with one and two threads, beside the same networks in PyTorch and the same
 * functions as they are on TensorFlow and on tfjs' wasm backend, turn by turn. Weights and pixels are random; times do not depend on them.
 */
import { type Device, openDevice } from '../../stages/tensors/device.js';
import type { Benchmark, Measured, Peer, Row } from './benchmark.js';
import { DeviceProcess, type TaskAddress } from './device-process.js';
import { type Contestant, minimum, race } from './measure.js';
import { paper, quickstart, timedRecogniser } from './networks.js';
import { embedding, recogniserTraining } from './recogniser-tasks.js';
import { noTorch, torchLayouts, TorchPeer, type TorchTask } from './torch/peer.js';
import { denoising, generatorTraining, timedGenerator } from './unet-tasks.js';

/** Some work that a device can be given. */
export interface Task {
  what: string;
  /** Images it gets through in a turn. */
  images: number;
  /** @param device tfjs' current one */
  open(device: Device): Turns;
  /** The same work for PyTorch. Called when it is wanted: a copy of all weights. */
  torch(): TorchTask;
}

export interface Turns {
  /** @returns a number that depends on all of the work, the same wherever it is done */
  turn(): Promise<number>;
  close(): void;
}

/** Turns' numbers may differ by this share: sums in another order, and roundings of them to bytes. */
const tolerance = 2e-3;

export const computeUnet: Benchmark = {
  name: 'compute-unet',
  title: "the quickstart's CemiFace generator at 32 px, training step and DDIM step",
  run: () => measureTasks('generator', quickstart, { wasm: true, seconds: 8 }),
};

export const computeRecogniser: Benchmark = {
  name: 'compute-recogniser',
  title: "the quickstart's E_id at 32 px, training step and embedding",
  run: () => measureTasks('recogniser', quickstart, { wasm: true, seconds: 8 }),
};

export const computePaperUnet: Benchmark = {
  name: 'compute-paper-unet',
  title: "the paper's CemiFace generator at 112 px with IR-SE50 as E_id, training step and DDIM step (10 GB)",
  onlyNamed: true,
  run: () => measureTasks('generator', paper, { wasm: false, seconds: 60 }),
};

export const computePaperFr: Benchmark = {
  name: 'compute-paper-fr',
  title: 'IR-SE50 at 112 px, training step and embedding',
  onlyNamed: true,
  run: () => measureTasks('recogniser', paper, { wasm: false, seconds: 60 }),
};

interface Course {
  /** tfjs' wasm backend too, which takes minutes for a turn at the paper's size. */
  wasm: boolean;
  /** Of timed rounds, for a task with a number of threads. */
  seconds: number;
}

export type Networks = 'generator' | 'recogniser';

export async function tasksOf(networks: Networks, file: string): Promise<Task[]> {
  const recogniser = await timedRecogniser(file);
  if (networks === 'recogniser') return [recogniserTraining(recogniser), embedding(recogniser)];
  const generator = await timedGenerator(file, recogniser);
  return [generatorTraining(generator), denoising(generator)];
}

async function measureTasks(networks: Networks, file: string, course: Course): Promise<Measured> {
  const { wasm, seconds } = course;
  const rows: Row[] = [];
  const notes = new Set<string>();
  const absent = new Map<string, string>();
  for (const [index, task] of (await tasksOf(networks, file)).entries()) {
    for (const threads of [1, 2]) {
      // One number of threads at a time: a training of the paper's size holds gigabytes.
      const measured = await measureTask(task, { networks, file, index }, threads, absent, {
        wasm: wasm && threads === 1,
        seconds,
      });
      rows.push(...measured.rows);
      measured.notes.forEach((note) => notes.add(note));
    }
  }
  return { rows, notes: [...absent.values(), ...notes] };
}

interface Entrant extends Contestant {
  name: string;
  /** Seconds of processor time of each turn so far. */
  processor: number[];
  /** The numbers of its first turns; undefined where another had that turn. */
  answers: readonly (number | undefined)[];
  close(): unknown;
}

/** @param absent what was seen not to be here, and why: it is not tried again */
async function measureTask(
  task: Task,
  address: TaskAddress,
  threads: number,
  absent: Map<string, string>,
  { wasm, seconds }: Course,
): Promise<Measured> {
  const entrants: Entrant[] = [];
  const notes: string[] = [];
  const enter = async (name: string, open: () => Promise<readonly Entrant[]>) => {
    try {
      entrants.push(...(await open()));
    } catch (error) {
      notes.push(`${task.what}: not on ${name}: ${(error as Error).message}`);
    }
  };
  await enter('onnx', () => onDevice(task, 'onnx', threads));
  const python = process.env['TORCH_PYTHON'];
  if (python) await enter('PyTorch', () => inTorch(task, python, threads));
  else absent.set('PyTorch', noTorch);
  if (!absent.has('tensorflow')) {
    try {
      entrants.push(await inProcess(address, 'tensorflow', threads));
    } catch (error) {
      absent.set('tensorflow', `not beside TensorFlow: ${(error as Error).message} (${withTensorflow})`);
    }
  }
  if (wasm) await enter('wasm', () => onDevice(task, 'wasm', 1));
  const [ours] = entrants;
  for (const { name, answers } of entrants)
    for (const [i, answer] of answers.entries()) {
      const expected = ours?.answers[i] ?? NaN;
      if (answer !== undefined && !(Math.abs(answer - expected) <= tolerance * Math.abs(expected)))
        notes.push(`${task.what}: ${name} computes ${answer} where ${ours?.name} computes ${expected}`);
    }

  const times = await race(entrants, { rounds: 15, seconds });
  for (const { close } of entrants) await close();
  const peers = entrants.map(({ name, processor }, i): Peer => ({ name, processor, seconds: times[i]! }));
  const shortest = ({ seconds }: Peer) => minimum(seconds);
  const torch = peers
    .filter(({ name }) => name.startsWith('PyTorch'))
    .sort((a, b) => shortest(a) - shortest(b));
  const others = peers.filter(({ name }) => name === 'tensorflow' || name === 'wasm');
  const rows = peers.map(({ name, seconds, processor }): Row => ({
    what: `${task.what}, ${name === 'wasm' ? name : `${name}, ${threads} thread${threads > 1 ? 's' : ''}`}`,
    seconds,
    processor: processor!,
    work: { amount: task.images, unit: 'images' },
    ...(name === 'onnx' ? { peers: [...torch.slice(0, 1), ...others] } : {}),
  }));
  return { rows, notes };
}

async function onDevice(task: Task, name: string, threads: number): Promise<Entrant[]> {
  // Opening a device again makes its backend tfjs' current one.
  const ready = () => openDevice(name, { threads });
  const { turn, close } = task.open(await ready());
  // The first compiles, and warms up what does not.
  const answers = [await turn(), await turn()];
  const processor: number[] = [];
  const run = async () => {
    const before = process.cpuUsage();
    await turn();
    const { user, system } = process.cpuUsage(before);
    processor.push((user + system) / 1e6);
  };
  return [{ name, ready, run, processor, answers, close }];
}

const withTensorflow = 'test/native/tensorflow.sh makes a copy of the checkout where it is';

async function inProcess(address: TaskAddress, name: string, threads: number): Promise<Entrant> {
  const peer = await DeviceProcess.open(address, name, threads);
  const answers = [(await peer.turn()).answer, (await peer.turn()).answer];
  const processor: number[] = [];
  const run = async () => processor.push((await peer.turn()).processor);
  return { name, run, processor, answers, close: () => peer.close() };
}

/** One process, so that a large network is in memory once; it changes layout between turns. */
async function inTorch(task: Task, python: string, threads: number): Promise<Entrant[]> {
  const peer = await TorchPeer.open(python, task.torch(), threads);
  const entrants: Entrant[] = [];
  for (const [i, layout] of torchLayouts.entries()) {
    await peer.prepare(layout);
    const processor: number[] = [];
    entrants.push({
      processor,
      name: `PyTorch ${layout}`,
      ready: () => peer.prepare(layout),
      run: async () => processor.push((await peer.turn()).processor),
      answers: [...Array<undefined>(i), (await peer.turn()).answer],
      close: () => peer.close(),
    });
  }
  return entrants;
}
