/**
 * On which devices the suite of stage maths runs, and how near its results must come.
 *
 *     npx vitest run test/stages/maths                                  onnx, wasm and cpu, as in `npm test`
 *     CEMIFLOW_TEST_DEVICES=webgpu npx vitest run test/stages/maths     what is named, separated by commas
 *
 * Every file of this folder asks `testDevices` and makes its tests once for each: `describe.each(testDevices)('... on %s', ...)`. A device
 * that is named and does not work is a failure, never skipped. Where there is another device: its tolerance below, and one step
 * of .ci/run that names it.
 */
import { deviceNames } from '../../../stages/contract.js';
import type { DeviceName } from '../../../stages/tensors/device.js';

/** The devices whose packages `npm ci` brings to every machine. */
const everywhere: DeviceName[] = ['onnx', 'wasm', 'cpu'];

export const testDevices: readonly DeviceName[] = asked(process.env['CEMIFLOW_TEST_DEVICES']);

function asked(list: string | undefined): readonly DeviceName[] {
  if (!list) return everywhere;
  return list.split(',').map((name) => {
    const device = deviceNames.find((known) => known === name.trim());
    if (!device) throw new Error(`CEMIFLOW_TEST_DEVICES: '${name}' is none of ${deviceNames.join(', ')}`);
    return device;
  });
}

/**
 * The largest difference from a result in double precision that counts as rounding, as a fraction of the largest number of that result.
 * All devices compute in float32, eps = 6e-8; WGSL lets sin and cos be wrong by 2^-11 = 5e-4.
 */
export const tolerance: Readonly<Record<DeviceName, number>> = {
  tensorflow: 2e-6,
  webgpu: 5e-4,
  onnx: 2e-6,
  'onnx-webgpu': 5e-4,
  wasm: 2e-6,
  cpu: 2e-6,
};

/**
 * What counts as rounding however small a result is, 16 eps: the cases' inputs, and the gradients that come from above, are numbers about 1, and a
 * small result is what remains of sums of such numbers. Each has been rounded to eps of itself, not of what remains.
 */
const residue = 1e-6;

/**
 * Whether all numbers are near enough: within `part` of the largest of `expected`, or within the residue of rounding.
 * @returns the largest difference in units of what is allowed, so 1 is the limit
 */
export function excess(actual: ArrayLike<number>, expected: ArrayLike<number>, part: number): number {
  const largest = Math.max(0, ...Array.from(expected, Math.abs));
  return (difference(actual, expected) * Math.max(1, largest)) / Math.max(part * largest, residue);
}

/** The largest difference between both, as a fraction of the largest number of `expected` or of 1. */
export function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  const scale = Math.max(1, ...Array.from(expected, Math.abs));
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(actual[i]! - expected[i]!) / scale;
    if (!(distance <= worst)) worst = distance; // also where it is NaN
  }
  return worst;
}
