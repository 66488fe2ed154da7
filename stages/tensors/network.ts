/**
 * A network's parameters as ONE flat vector: which named weight lies where, how they start, and the gradient with respect
 * to all of them. Checkpoints, moving averages, clipping and optimisers then handle a single tensor.
 *
 * A network is a function of a `Scope`, from which it asks its weights by name.
 */
import * as tf from '@tensorflow/tfjs';
import { mapLeaves, type Pytree } from './pytree.js';
import { Random } from './random.js';
import { shapesOnly } from './trace.js';

/** How a weight starts. */
export type Init =
  | { kind: 'zeros' }
  | { kind: 'ones' }
  | { kind: 'constant'; value: number }
  /** Uniform in [-bound, bound). */
  | { kind: 'uniform'; bound: number }
  | { kind: 'normal'; std: number };

/** What a network asks its parameters from. */
export interface Scope {
  /** Whether batch statistics are used and buffers updated. */
  readonly training: boolean;
  /** A trained parameter. */
  weight(name: string, shape: number[], init: Init): tf.Tensor;
  /** A number kept beside the weights but not trained (running means); starts at `value`. */
  buffer(name: string, shape: number[], value: number): tf.Tensor;
  /** The buffer's value after this step. Ignored outside `valueAndGradient`. */
  updateBuffer(name: string, value: tf.Tensor): void;
}

/** Where one named weight or buffer lies in its flat vector. */
export interface Slot {
  name: string;
  shape: number[];
  size: number;
  /** Where it begins in the flat vector. */
  offset: number;
  init: Init;
}

/** All weights and buffers of a network, in the order in which it asks for them. */
export interface Layout {
  weights: Slot[];
  buffers: Slot[];
  /** Elements of the flat vector of weights. */
  size: number;
  /** Elements of the flat vector of buffers. */
  bufferSize: number;
}

/**
 * The layout of a network: `forward` is run once on symbolic weights (nothing is computed), and every weight and buffer that it asks
 * for is listed, in that order.
 * @throws if two weights (or two buffers) have the same name: ask once and use the tensor twice.
 */
export function layoutOf(forward: (scope: Scope) => unknown): Layout {
  const layout: Layout = { weights: [], buffers: [], size: 0, bufferSize: 0 };
  const place = (slots: Slot[], offset: number, name: string, shape: number[], init: Init): number => {
    if (slots.some((slot) => slot.name === name)) {
      throw new Error(`the network asks for '${name}' twice; give each layer a name of its own`);
    }
    const size = tf.util.sizeFromShape(shape);
    slots.push({ name, shape: [...shape], size, offset, init });
    return offset + size;
  };
  shapesOnly(() => {
    forward({
      training: true,
      weight(name, shape, init) {
        layout.size = place(layout.weights, layout.size, name, shape, init);
        return tf.fill(shape, 0);
      },
      buffer(name, shape, value) {
        layout.bufferSize = place(layout.buffers, layout.bufferSize, name, shape, {
          kind: 'constant',
          value,
        });
        return tf.fill(shape, value);
      },
      updateBuffer() {},
    });
  });
  return layout;
}

/** The weights a network starts from. Each has a random stream of its own, so adding a layer changes no other. */
export function initialWeights(layout: Layout, seed: number, purpose: string): Float32Array {
  const weights = new Float32Array(layout.size);
  for (const { name, size, offset, init } of layout.weights) {
    const slot = weights.subarray(offset, offset + size);
    switch (init.kind) {
      case 'zeros':
        break;
      case 'ones':
        slot.fill(1);
        break;
      case 'constant':
        slot.fill(init.value);
        break;
      case 'uniform': {
        const random = new Random(seed, purpose, name);
        for (let i = 0; i < size; i++) slot[i] = init.bound * (2 * random.uniform() - 1);
        break;
      }
      case 'normal':
        new Random(seed, purpose, name).fillNormal(slot);
        for (let i = 0; i < size; i++) slot[i] = slot[i]! * init.std;
        break;
    }
  }
  return weights;
}

/** The buffers a network starts from. */
export function initialBuffers(layout: Layout): Float32Array {
  const buffers = new Float32Array(layout.bufferSize);
  for (const { size, offset, init } of layout.buffers) {
    if (init.kind === 'constant') buffers.fill(init.value, offset, offset + size);
  }
  return buffers;
}

/** 1 for weights of matrices and filters, 0 for vectors (biases, gains): the usual choice of what decays. [layout.size] */
export function decayMaskOf(layout: Layout): Float32Array {
  const mask = new Float32Array(layout.size);
  for (const { shape, size, offset } of layout.weights)
    if (shape.length > 1) mask.fill(1, offset, offset + size);
  return mask;
}

/** A scope that reads the given flat vectors, inside a compiled function; new values of buffers are dropped. */
export function bind(layout: Layout, weights: tf.Tensor1D, buffers: tf.Tensor1D, training: boolean): Scope {
  return scopeOf(
    layout,
    new Map(layout.weights.map((slot) => [slot.name, () => view(weights, slot)])),
    buffers,
    training,
    () => {},
  );
}

/**
 * The loss, its gradient with respect to every weight, and the buffers after the step.
 *
 * @param lossOf  the loss as a function of a training scope; `aux` is whatever else the step wants to know (its gradient is not taken)
 * @throws if the loss does not depend on some weight
 */
export function valueAndGradient<A extends Pytree = Record<string, never>>(
  layout: Layout,
  weights: tf.Tensor1D,
  buffers: tf.Tensor1D,
  lossOf: (scope: Scope) => { loss: tf.Scalar; aux?: A },
): { loss: tf.Scalar; aux: A; gradient: tf.Tensor1D; buffers: tf.Tensor1D } {
  const step = () => {
    const parts = layout.weights.map((slot) => view(weights, slot));
    let aux: unknown = {};
    const updates = new Map<string, tf.Tensor>();
    const forward = (): tf.Scalar => {
      // Gradients are taken with respect to each slot, not the flat vector: the gradient of a slice is a padded vector as long as the whole.
      const readers = new Map(layout.weights.map((slot, i) => [slot.name, () => parts[i]!]));
      const scope = scopeOf(layout, readers, buffers, true, (name, value) => {
        updates.get(name)?.dispose();
        updates.set(name, tf.keep(tf.clone(value)));
      });
      const result = lossOf(scope);
      // The tape's scope ends with `forward`, so what else is wanted from it must be kept explicitly.
      aux = mapLeaves(result.aux ?? {}, (tensor) => tf.keep(tf.clone(tensor)));
      return result.loss;
    };
    const { value, grads } = tf.engine().gradients(forward, parts, undefined, true);
    const unused = layout.weights.filter((_, i) => !grads[i]);
    if (unused.length > 0) {
      throw new Error(
        `the loss does not depend on ${unused.map((slot) => slot.name).join(', ')}; remove them or use them`,
      );
    }
    const gradient = grads.length === 0 ? tf.zeros([0]) : tf.concat(grads.map((g) => tf.reshape(g, [-1])));
    return {
      loss: value as tf.Scalar,
      aux: mapLeaves(aux, release) as A,
      gradient: gradient as tf.Tensor1D,
      buffers: joined(layout, buffers, updates),
    };
  };
  return tf.tidy(step as unknown as () => tf.TensorContainer) as unknown as ReturnType<typeof step>;
}

/** One slot of a flat vector, in its shape. */
function view(flat: tf.Tensor1D, slot: Slot): tf.Tensor {
  return tf.reshape(tf.slice(flat, [slot.offset], [slot.size]), slot.shape);
}

function scopeOf(
  layout: Layout,
  weights: ReadonlyMap<string, () => tf.Tensor>,
  buffers: tf.Tensor1D,
  training: boolean,
  update: (name: string, value: tf.Tensor) => void,
): Scope {
  const bufferSlots = new Map(layout.buffers.map((slot) => [slot.name, slot]));
  const shapes = new Map([...layout.weights, ...layout.buffers].map((slot) => [slot.name, slot.shape]));
  const check = (name: string, shape: number[]): void => {
    const known = shapes.get(name);
    if (!known)
      throw new Error(
        `the network has no parameter '${name}': its layout was made from another forward function`,
      );
    if (!tf.util.arraysEqual(known, shape)) {
      throw new Error(
        `'${name}' has shape [${known.join(', ')}] in the layout, and [${shape.join(', ')}] is asked`,
      );
    }
  };
  return {
    training,
    weight(name, shape) {
      check(name, shape);
      return weights.get(name)!();
    },
    buffer(name, shape) {
      check(name, shape);
      return view(buffers, bufferSlots.get(name)!);
    },
    updateBuffer(name, value) {
      check(name, value.shape);
      update(name, value);
    },
  };
}

/** The flat vector of buffers with the updated ones replaced. */
function joined(layout: Layout, buffers: tf.Tensor1D, updates: ReadonlyMap<string, tf.Tensor>): tf.Tensor1D {
  if (updates.size === 0) return tf.clone(buffers);
  const parts = layout.buffers.map((slot) => {
    const update = updates.get(slot.name);
    return tf.reshape(update ? release(update) : view(buffers, slot), [-1]);
  });
  return tf.concat(parts) as tf.Tensor1D;
}

/** Gives a kept tensor back to the scope around. */
function release(kept: tf.Tensor): tf.Tensor {
  const tensor = tf.clone(kept);
  kept.dispose();
  return tensor;
}
