/**
 * Leases of GPUs. A lease is by card, exclusive, and holds between all engines of the machine, whoever started them and whatever their
 * caches: two runs folders must not share a card unknowingly. It ends with its engine and the stage's process, however they end.
 */
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Lock, takeLock } from '../cache/lock.js';
import { livesStill, type Owner, startOf, thisProcess } from '../cache/owner.js';
import { explained } from '../cache/trouble.js';
import type { StageInstance } from '../experiment/experiment.js';
import type { Gpu } from './gpu-list.js';

/** Who holds a card, for `status --gpus` and for those who wait. */
export interface GpuHolder extends Owner {
  gpu: Gpu;
  run: string;
  stage: string;
  /** ISO 8601. */
  since: string;
}

export interface GpuLease {
  gpus: readonly Gpu[];
  /** The variables that show these cards, and no others, to a process. */
  environment: Record<string, string>;
  /** The cards stay taken as long as that process lives, also when the engine dies. */
  holdFor(pid: number): void;
  release(): Promise<void>;
}

/** How often to look whether another engine has given a card back. */
const pollMilliseconds = 500;

/** Devices of stages/tensors that need no CUDA card of their own. */
const withoutCuda = new Set(['onnx', 'onnx-webgpu', 'wasm', 'cpu', 'webgpu']);

/**
 * How many cards an instance takes. A stage that computes on a device takes what there is where it asks for one (the
 * default); where there is none, another device serves.
 */
export function gpusOf(instance: StageInstance, device: string, present: number): number {
  const { declaration, resources } = instance;
  if (!declaration.device) return resources.gpus;
  if (withoutCuda.has(instance.device ?? device)) return 0;
  return resources.gpus <= 1 ? Math.min(resources.gpus, present) : resources.gpus;
}

/** Whether it would take a card if there were enough. */
export const mayUseGpus = (instance: StageInstance, device: string): boolean =>
  gpusOf(instance, device, Infinity) > 0;

/** Where leases are: one place for all users of the machine. */
export const leasesFolder = (): string => join(tmpdir(), 'cemiflow-gpus');

/** All cards that are held now, by living processes. */
export function gpuHolders(folder = leasesFolder()): GpuHolder[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    // Nobody ever took one.
    return [];
  }
  return names
    .filter((name) => name.endsWith(HOLDER))
    .flatMap((name) => readHolder(join(folder, name)) ?? [])
    .filter((holder) => livesStill(holder) !== 'dead');
}

export class GpuLeases {
  private readonly inUse = new Set<string>();

  constructor(
    readonly gpus: readonly Gpu[],
    private readonly folder = leasesFolder(),
  ) {}

  /**
   * Takes `count` cards, waiting while other engines hold them.
   * @param waiting called once with who holds a card we need
   * @throws signal.reason when told to stop waiting; CacheError where leases cannot be written
   */
  async take(
    count: number,
    by: { run: string; stage: string },
    signal: AbortSignal,
    waiting: (holder: Owner | GpuHolder | undefined) => void,
  ): Promise<GpuLease> {
    let told = false;
    for (;;) {
      signal.throwIfAborted();
      const taken: { gpu: Gpu; lock: Lock }[] = [];
      let holder: Owner | GpuHolder | undefined;
      const giveBack = async () => {
        for (const { gpu, lock } of taken) {
          rmSync(this.path(gpu) + HOLDER, { force: true });
          await lock.release();
          this.inUse.delete(gpu.id);
        }
      };
      try {
        this.open();
        for (const gpu of this.gpus) {
          if (taken.length === count) break;
          if (this.inUse.has(gpu.id)) continue;
          const lock = await this.reserve(gpu, (owner) => {
            holder ??= readHolder(this.path(gpu) + HOLDER) ?? owner;
          });
          if (lock) taken.push({ gpu, lock });
        }
        if (taken.length === count) {
          const gpus = taken.map(({ gpu }) => gpu);
          const since = new Date().toISOString();
          const tell = (worker?: Owner['worker']) => {
            for (const gpu of gpus)
              this.tell({ ...thisProcess(), ...by, gpu, since, ...(worker ? { worker } : {}) });
          };
          tell();
          return {
            gpus,
            environment: visibleOnly(gpus),
            holdFor(pid) {
              for (const { lock } of taken) lock.holdFor(pid);
              tell({ pid, started: startOf(pid) });
            },
            release: giveBack,
          };
        }
      } catch (error) {
        await giveBack();
        throw explained(error, 'lease a GPU', this.folder);
      }
      // All or none: two engines that each held half of what they want would wait for ever.
      await giveBack();
      if (!told) waiting(holder);
      told = true;
      await sleep(pollMilliseconds, undefined, { signal });
    }
  }

  /** undefined where another engine holds it. */
  private async reserve(gpu: Gpu, held: (owner: Owner | undefined) => void): Promise<Lock | undefined> {
    let lock: Lock | undefined;
    // Two stages of this engine must not try the same card at once: its own lock would look like another engine's.
    this.inUse.add(gpu.id);
    try {
      return (lock = await tryLock(this.path(gpu), held));
    } finally {
      if (!lock) this.inUse.delete(gpu.id);
    }
  }

  /** Other users of the machine lease here, too, and pass over the leases of our dead. */
  private open(): void {
    if (mkdirSync(this.folder, { recursive: true }) !== undefined) chmodSync(this.folder, 0o777);
  }

  private tell(holder: GpuHolder): void {
    const file = this.path(holder.gpu) + HOLDER;
    // It may be another user's, who is dead: not to be written into, but to be replaced.
    rmSync(file, { force: true });
    writeFileSync(file, JSON.stringify(holder));
  }

  private path(gpu: Gpu): string {
    return join(this.folder, createHash('sha256').update(gpu.id).digest('hex').slice(0, 16));
  }
}

/** Beside a card's lock: who holds it, in words for people. The lock alone decides. */
const HOLDER = '.holder';

function readHolder(file: string): GpuHolder | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as GpuHolder;
  } catch {
    // Given back at this moment, or being written.
    return undefined;
  }
}

/** Hides every card, for stages that asked for none. */
export const noGpu: Record<string, string> = { CUDA_VISIBLE_DEVICES: '' };

function visibleOnly(gpus: readonly Gpu[]): Record<string, string> {
  return {
    CUDA_VISIBLE_DEVICES: gpus.map((gpu) => gpu.token).join(','),
    // CUDA's own order is by speed; nvidia-smi counts by slot.
    CUDA_DEVICE_ORDER: process.env['CUDA_DEVICE_ORDER'] ?? 'PCI_BUS_ID',
  };
}

async function tryLock(path: string, held: (owner: Owner | undefined) => void): Promise<Lock | undefined> {
  const stop = new AbortController();
  try {
    return await takeLock(path, {
      signal: stop.signal,
      waiting(owner) {
        held(owner);
        stop.abort();
      },
    });
  } catch (error) {
    if (stop.signal.aborted) return undefined;
    throw error;
  }
}
