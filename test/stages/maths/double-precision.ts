/**
 * Imported before tfjs: from here on this process has Float64Array for Float32Array, so that tfjs' 'cpu' backend, which asks for the
 * arrays of its tensors by that name, computes the product's own functions in double precision. Central differences then have eleven
 * good digits instead of three.
 */
import util from 'node:util';

Object.assign(globalThis, { Float32Array: Float64Array });
// How tfjs recognises arrays in Node.
util.types.isFloat32Array = util.types.isFloat64Array as unknown as typeof util.types.isFloat32Array;
