/**
 * The GPUs an engine may use, and their leases. A lease is by number, exclusive, and holds between all engines of the machine,
 * whatever their caches: two runs folders must not share a card unknowingly.
 */
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { type Lock, takeLock } from '../cache/lock.js';
import type { Owner } from '../cache/owner.js';
import type { StageInstance } from '../experiment/experiment.js';

export interface Gpu {
  /** What CUDA_VISIBLE_DEVICES takes: a number, or a UUID where the user gave one. */
  token: string;
  /** The same card has the same id whatever number a user gave it. */
  id: string;
  name: string;
}

export interface GpuLease {
  gpus: readonly Gpu[];
  /** The variables that show these cards, and no others, to a process. */
  environment: Record<string, string>;
  /** The cards stay taken as long as that process lives, also when the engine dies. */
  holdFor(pid: number): Promise<void>;
  release(): Promise<void>;
}

/** How often to look whether another engine has given a card back. */
const pollMilliseconds = 500;

/** The cards that nvidia-smi lists, less those that an inherited CUDA_VISIBLE_DEVICES hides. [] without a driver. */
export async function discoverGpus(environment: NodeJS.ProcessEnv = process.env): Promise<Gpu[]> {
  const listed = await execa('nvidia-smi', ['--query-gpu=index,uuid,name', '--format=csv,noheader'], {
    reject: false,
    timeout: 10_000,
    env: environment as Record<string, string>,
  });
  const present =
    listed.exitCode === 0
      ? listed.stdout
          .split('\n')
          .map((line) => line.split(',').map((field) => field.trim()))
          .filter((fields) => fields.length >= 3)
          .map(([token, id, ...name]) => ({ token: token!, id: id!, name: name.join(',') }))
      : [];
  const inherited = environment['CUDA_VISIBLE_DEVICES'];
  if (inherited === undefined) return present;
  const visible: Gpu[] = [];
  for (const token of inherited.split(',').map((text) => text.trim())) {
    // As CUDA reads it: what comes after the first invalid entry (-1, say) is hidden.
    if (token === '' || token.startsWith('-')) break;
    const known = present.find(({ token: index, id }) => index === token || id.startsWith(token));
    // A slice of a card (MIG) has an id of its own, which nvidia-smi lists elsewhere.
    if (!known && /^\d+$/.test(token)) break;
    visible.push(known ? { ...known, token } : { token, id: token, name: token });
  }
  return visible;
}

/** Devices of stages/tensors that need no CUDA card of their own. */
const withoutCuda = new Set(['onnx', 'wasm', 'cpu', 'webgpu']);

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

export class GpuLeases {
  private readonly inUse = new Set<string>();

  constructor(
    readonly gpus: readonly Gpu[],
    private readonly folder = join(tmpdir(), 'cemiflow-gpus'),
  ) {}

  /**
   * Takes `count` cards, waiting while other engines hold them.
   * @param waiting called once with the process that holds a card we need
   * @throws signal.reason when told to stop waiting
   */
  async take(
    count: number,
    signal: AbortSignal,
    waiting: (owner: Owner | undefined) => void,
  ): Promise<GpuLease> {
    let told = false;
    for (;;) {
      signal.throwIfAborted();
      const taken: { gpu: Gpu; lock: Lock }[] = [];
      let holder: Owner | undefined;
      for (const gpu of this.gpus) {
        if (taken.length === count) break;
        if (this.inUse.has(gpu.id)) continue;
        this.inUse.add(gpu.id);
        const lock = await tryLock(this.lockPath(gpu), (owner) => (holder ??= owner));
        if (lock) taken.push({ gpu, lock });
        else this.inUse.delete(gpu.id);
      }
      const giveBack = async () => {
        for (const { gpu, lock } of taken) {
          await lock.release();
          this.inUse.delete(gpu.id);
        }
      };
      if (taken.length === count) {
        const gpus = taken.map(({ gpu }) => gpu);
        return {
          gpus,
          environment: visibleOnly(gpus),
          holdFor: async (pid) => {
            for (const { lock } of taken) await lock.holdFor(pid);
          },
          release: giveBack,
        };
      }
      // All or none: two engines that each held half of what they want would wait for ever.
      await giveBack();
      if (!told) waiting(holder);
      told = true;
      await sleep(pollMilliseconds, undefined, { signal });
    }
  }

  private lockPath(gpu: Gpu): string {
    return join(this.folder, createHash('sha256').update(gpu.id).digest('hex').slice(0, 16));
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
