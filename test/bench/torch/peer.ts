/** The same networks in PyTorch (peer.py), in a process of its own per number of threads. TORCH_PYTHON names a Python that has torch. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { packageRoot } from '../../../engine/cli/invocation.js';
import type { JsonObject } from '../../../engine/experiment/experiment.js';
import { type NamedTensor, writeSafetensors } from '../../../stages/data/safetensors.js';
import { makeScratch, removeScratch } from '../scratch.js';

export const torchLayouts = ['contiguous', 'channels_last'] as const;
export type TorchLayout = (typeof torchLayouts)[number];

/** A task as peer.py takes it. */
export interface TorchTask {
  /** `kind` says what is done; the rest is what that needs. */
  settings: JsonObject & { kind: 'train-generator' | 'train-recogniser' | 'sample' | 'embed' };
  /** Weights as network/<name> and recogniser/<name>, what goes in as input/<name>. */
  tensors: ReadonlyMap<string, NamedTensor>;
}

export const noTorch =
  'not beside PyTorch: TORCH_PYTHON must name a Python with torch in it: python3 -m venv V && V/bin/pip install torch; TORCH_PYTHON=V/bin/python';

export class TorchPeer {
  /** What it says of itself. */
  version = '';
  private layout: TorchLayout | undefined;

  private constructor(
    private readonly child: ReturnType<typeof spawnPeer>,
    private readonly answers: AsyncIterator<string>,
    private readonly folder: string,
  ) {}

  /** @throws with what Python said, where it cannot do the task */
  static async open(python: string, task: TorchTask, threads: number): Promise<TorchPeer> {
    const folder = makeScratch();
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'task.json'), JSON.stringify(task.settings));
    writeSafetensors(join(folder, 'task.safetensors'), task.tensors);
    const child = spawnPeer(python, folder, threads);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const peer = new TorchPeer(child, lines, folder);
    const { version, threads: taken } = (await peer.next()) as { version: string; threads: number };
    if (taken !== threads) throw new Error(`PyTorch computes with ${taken} threads, not ${threads}`);
    peer.version = version;
    return peer;
  }

  /** Moves weights and moments into another memory layout. */
  async prepare(layout: TorchLayout): Promise<void> {
    if (layout !== this.layout) await this.ask({ layout });
    this.layout = layout;
  }

  turn(): Promise<{ answer: number; processor: number }> {
    return this.ask({ turn: true }) as Promise<{ answer: number; processor: number }>;
  }

  async close(): Promise<void> {
    this.child.stdin.end();
    await this.child;
    removeScratch(this.folder);
  }

  private ask(words: object): Promise<unknown> {
    this.child.stdin.write(`${JSON.stringify(words)}\n`);
    return this.next();
  }

  private async next(): Promise<unknown> {
    const { value, done } = await this.answers.next();
    if (!done) return JSON.parse(value);
    const { stderr, shortMessage } = await this.child;
    throw new Error(`PyTorch: ${String(stderr).trim().split('\n').at(-1) || shortMessage}`);
  }
}

function spawnPeer(python: string, folder: string, threads: number) {
  const count = String(threads);
  return execa(python, [join(packageRoot, 'test/bench/torch/peer.py'), folder], {
    env: { OMP_NUM_THREADS: count, MKL_NUM_THREADS: count },
    stdin: 'pipe',
    buffer: { stdout: false },
    reject: false,
  });
}
