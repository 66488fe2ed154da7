/**
 * What tensor computations run on. `openDevice` chooses, `Device.compile` turns a pure function of tensors into what runs it best
 * there, `probeDevices` says what works on this machine.
 */
import { channel } from 'node:diagnostics_channel';
import * as tf from '@tensorflow/tfjs';
import { deviceChannel, deviceNames, StageError } from '../contract.js';
import { PROBES, type Probe } from './probes.js';
import type { Pytree } from './pytree.js';

/** What can be opened by name. */
export type DeviceName = (typeof deviceNames)[number];

/** Best first: the order in which 'auto' tries them. */
const DEVICE_NAMES: readonly DeviceName[] = deviceNames;

/** A device that was not taken, why, and the line that would mend it. */
export interface Rejection {
  name: DeviceName;
  why: string;
  remedy: string;
}

// The arguments are pytrees; `never` lets functions of any such arguments be assigned.
export type TensorFunction = (...args: never[]) => Pytree;

/** The compiled function: same arguments, a promise of the same result. */
export interface Compiled<F extends TensorFunction> {
  (...args: Parameters<F>): Promise<ReturnType<F>>;
  /** Frees sessions and buffers. Results already returned stay valid. */
  dispose(): void;
}

/** How a function is compiled. */
export interface CompileOptions {
  /**
   * Positions of arguments that are disposed once the result is there (the old training state). Results may be written over vectors that an
   * earlier call has made: of an array read from one (`data`), take a copy before it is donated. Arrays that tensors were made from stay as they are.
   */
  donate?: readonly number[];
  /**
   * Positions of arguments that are the same tensors at every call (weights in use): what depends on them alone is computed once, and
   * their filters are laid out for the processor. Other tensors there are compiled anew. Only ONNX Runtime's devices heed it.
   */
  frozen?: readonly number[];
  /**
   * Trace twice, and again at calls 2, 4, 8, ..., and refuse functions that differ (random numbers inside, numbers from around that
   * change). Default true; only ONNX Runtime's devices trace.
   */
  check?: boolean;
}

/** What tensors are computed on, opened once for the whole process. */
export interface Device {
  name: DeviceName;
  /** For people: what it is and on what it computes. */
  description: string;
  /** Better devices that were tried before this one. */
  rejected: Rejection[];
  /** Threads it computes with; 1 where the device cannot use more. */
  threads: number;
  /**
   * The function must be pure: tensors in, tensors out, nothing read, nothing random, nothing captured. Numbers that change from call to
   * call come in as scalar tensors: a JavaScript number is frozen. On 'onnx' what is not so is refused when it is called, by an error
   * that begins with the line of the stage's code.
   */
  compile<F extends TensorFunction>(fn: F, options?: CompileOptions): Compiled<F>;
}

/** What `doctor` says of a device. */
export type DeviceReport =
  | { name: DeviceName; works: true; description: string; why?: string; remedy?: string }
  | { name: DeviceName; works: false; why: string; remedy: string };

/**
 * Opens the device asked for, and makes it tfjs' current backend (for ONNX Runtime's, tfjs' 'cpu' holds the tensors).
 *
 * @param request  'auto' (the best that works) or a DeviceName
 * @throws StageError naming why it does not work and the remedy
 */
export async function openDevice(request: string, options: { threads: number }): Promise<Device> {
  const { threads } = options;
  if (!Number.isInteger(threads) || threads < 1)
    throw new RangeError(`threads must be a positive integer, not ${threads}`);
  if (request === 'auto') return openBest(threads);
  const name = DEVICE_NAMES.find((known) => known === request);
  if (!name) {
    throw new StageError(`there is no device '${request}'`, `Choose auto, ${DEVICE_NAMES.join(', ')}.`);
  }
  const probe = await PROBES[name](threads);
  if (!probe.works) throw new StageError(`device '${name}' does not work here: ${probe.why}`, probe.remedy);
  return deviceOf(name, probe, []);
}

async function openBest(threads: number): Promise<Device> {
  const rejected: Rejection[] = [];
  for (const name of DEVICE_NAMES) {
    const probe = await PROBES[name](threads);
    if (probe.works && !probe.drawback) return deviceOf(name, probe, rejected);
    rejected.push({ name, ...(probe.works ? probe.drawback! : { why: probe.why, remedy: probe.remedy }) });
  }
  throw new StageError('no device works here', rejected.map(({ name, why }) => `${name}: ${why}`).join('; '));
}

function deviceOf(name: DeviceName, probe: Probe & { works: true }, rejected: Rejection[]): Device {
  channel(deviceChannel).publish(name);
  return {
    name,
    description: probe.description,
    rejected,
    threads: probe.threads,
    compile: probe.compile,
  };
}

/** Tries every device, in the order of 'auto'. tfjs' current backend is afterwards what it was. */
export async function probeDevices(): Promise<DeviceReport[]> {
  // Undefined where none was chosen yet, whatever its type says.
  const former = tf.getBackend() as string | undefined;
  const reports: DeviceReport[] = [];
  for (const name of DEVICE_NAMES) {
    const probe = await PROBES[name](1);
    reports.push(
      probe.works
        ? { name, works: true, description: probe.description, ...probe.drawback }
        : { name, works: false, why: probe.why, remedy: probe.remedy },
    );
  }
  if (former) await tf.setBackend(former);
  return reports;
}
