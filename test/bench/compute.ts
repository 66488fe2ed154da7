/**
 * Networks in training and use, compiled on ONNX Runtime with one and two threads, beside the same networks in PyTorch and the same
 * functions as they are on TensorFlow and on tfjs' wasm backend, turn by turn. Weights and pixels are random; times do not depend on them.
 */
import { type Device, openDevice } from '../../stages/tensors/device.js';
import type { Benchmark, Measured, Peer, Row } from './benchmark.js';
import { DeviceProcess } from './device-process.js';
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

/** Networks of an experiment at work: a task by where it comes from, as another process can be told. */
export interface TaskAddress {
  networks: 'generator' | 'recogniser';
  /** The experiment whose settings the networks have. */
  file: string;
  work: 'training' | 'use';
}

interface Course {
  /** When tfjs' wasm backend has its turns: with the others, or after them in a process of its own, as it takes a minute for one or fails for want of memory. */
  wasm: 'in turns' | 'afterwards';
  /** Of timed rounds, for a number of threads. */
  seconds: number;
  /** One after the other, each in a process of its own: what memory does not hold at once. */
  apart?: boolean;
}

const small: Course = { wasm: 'in turns', seconds: 8 };
const large: Course = { wasm: 'afterwards', seconds: 40 };

function benchmark(name: string, title: string, address: TaskAddress, course: Course): Benchmark {
  return {
    name,
    title,
    ...(address.file === paper ? { onlyNamed: true } : {}),
    run: ({ threads }) => measureTask(address, course, threads),
  };
}

export const compute: readonly Benchmark[] = [
  benchmark(
    'compute-unet-training',
    "a training step of the quickstart's CemiFace generator, 32 px",
    { networks: 'generator', file: quickstart, work: 'training' },
    small,
  ),
  benchmark(
    'compute-unet-sampling',
    'a DDIM step of the same',
    { networks: 'generator', file: quickstart, work: 'use' },
    small,
  ),
  benchmark(
    'compute-recogniser-training',
    "a training step of the quickstart's E_id, 32 px",
    { networks: 'recogniser', file: quickstart, work: 'training' },
    small,
  ),
  benchmark(
    'compute-recogniser-embedding',
    'embedding by the same',
    { networks: 'recogniser', file: quickstart, work: 'use' },
    small,
  ),
  benchmark(
    'compute-paper-unet-training',
    "a training step of the paper's CemiFace generator with IR-SE50 as E_id, 112 px",
    { networks: 'generator', file: paper, work: 'training' },
    { ...large, apart: true },
  ),
  benchmark(
    'compute-paper-unet-sampling',
    'a DDIM step of the same',
    { networks: 'generator', file: paper, work: 'use' },
    large,
  ),
  benchmark(
    'compute-paper-fr-training',
    'a training step of IR-SE50, 112 px',
    { networks: 'recogniser', file: paper, work: 'training' },
    large,
  ),
  benchmark(
    'compute-paper-fr-embedding',
    'embedding by IR-SE50, 112 px',
    { networks: 'recogniser', file: paper, work: 'use' },
    large,
  ),
];

export async function taskOf({ networks, file, work }: TaskAddress): Promise<Task> {
  const recogniser = await timedRecogniser(file);
  if (networks === 'recogniser')
    return work === 'training' ? recogniserTraining(recogniser) : embedding(recogniser);
  const generator = await timedGenerator(file, recogniser);
  return work === 'training' ? generatorTraining(generator) : denoising(generator);
}

async function measureTask(
  address: TaskAddress,
  course: Course,
  threads: readonly number[],
): Promise<Measured> {
  const task = await taskOf(address);
  const rows: Row[] = [];
  const notes = new Set<string>();
  const absent = new Map<string, string>();
  for (const count of threads) {
    // One number of threads at a time: a training of the paper's size holds gigabytes.
    const measured = await measureWith(task, address, count, absent, course);
    rows.push(...measured.rows);
    measured.notes.forEach((note) => notes.add(note));
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
async function measureWith(
  task: Task,
  address: TaskAddress,
  threads: number,
  absent: Map<string, string>,
  { wasm, seconds, apart = false }: Course,
): Promise<Measured> {
  const peers: Peer[] = [];
  const notes: string[] = [];
  let entrants: Entrant[] = [];
  let ours: readonly (number | undefined)[] | undefined;
  const enter = async (name: string, open: () => Promise<readonly Entrant[]>) => {
    try {
      entrants.push(...(await open()));
    } catch (error) {
      if (name === 'tensorflow')
        absent.set(name, `not beside TensorFlow: ${(error as Error).message} (${withTensorflow})`);
      else notes.push(`${task.what}: not on ${name}: ${(error as Error).message}`);
    }
  };
  const finish = async () => {
    for (const { name, answers } of entrants) {
      ours ??= answers;
      for (const [i, answer] of answers.entries())
        if (answer !== undefined && !(Math.abs(answer - ours[i]!) <= tolerance * Math.abs(ours[i]!)))
          notes.push(`${task.what}: ${name} computes ${answer} where onnx computes ${ours[i]}`);
    }
    const times = await race(entrants, { rounds: 15, seconds });
    for (const { close } of entrants) await close();
    peers.push(...entrants.map(({ name, processor }, i) => ({ name, processor, seconds: times[i]! })));
    entrants = [];
  };

  await enter('onnx', () => (apart ? inProcess(address, 'onnx', threads) : onDevice(task, 'onnx', threads)));
  if (apart) await finish();
  const python = process.env['TORCH_PYTHON'];
  if (python) await enter('PyTorch', () => inTorch(task, python, threads));
  else absent.set('PyTorch', noTorch);
  if (apart) await finish();
  if (!absent.has('tensorflow')) await enter('tensorflow', () => inProcess(address, 'tensorflow', threads));
  // It has one thread in Node.
  if (threads === 1 && wasm === 'in turns') await enter('wasm', () => onDevice(task, 'wasm', 1));
  await finish();
  if (threads === 1 && wasm === 'afterwards') {
    await enter('wasm', () => inProcess(address, 'wasm', 1));
    await finish();
  }

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

async function inProcess(address: TaskAddress, name: string, threads: number): Promise<Entrant[]> {
  const peer = await DeviceProcess.open(address, name, threads);
  const answers = [(await peer.turn()).answer, (await peer.turn()).answer];
  const processor: number[] = [];
  const run = async () => processor.push((await peer.turn()).processor);
  return [{ name, run, processor, answers, close: () => peer.close() }];
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
