/** Each kernel of the tracing backend against tfjs' own 'cpu' backend: values, and gradients under a random upstream gradient. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { openDevice, type Device } from '../../../stages/tensors/device.js';
import { Random } from '../../../stages/tensors/random.js';

type Pad = [before: number, after: number];
type Case = [name: string, fn: (...xs: tf.Tensor[]) => tf.Tensor, ...shapes: (number[] | tf.Tensor)[]];

const random = new Random(1, 'kernel tests');
function uniform(shape: number[], lo = -1, hi = 1): tf.Tensor {
  return tf.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => lo + (hi - lo) * random.uniform()),
    shape,
  );
}
const positive = (shape: number[]): tf.Tensor => uniform(shape, 0.5, 2);

/** The largest difference that counts as rounding, relative to the largest value (or 1). */
const TOLERANCE = 2e-5;

let device: Device;
beforeAll(async () => {
  device = await openDevice('onnx', { threads: 1 });
});

/** Value and gradients computed by both; the gradients only where `gradient`. */
async function compare(
  fn: (...xs: tf.Tensor[]) => tf.Tensor,
  xs: tf.Tensor[],
  gradient: boolean,
): Promise<void> {
  const upstream = tf.tidy(() => uniform(fn(...xs).shape));
  const step = (dy: tf.Tensor, ...inputs: tf.Tensor[]): tf.Tensor[] => [
    tf.cast(fn(...inputs), 'float32'),
    ...(gradient ? tf.grads(fn)(inputs, dy) : []),
  ];
  const expected = tf.tidy(() => step(upstream, ...xs));
  const compiled = device.compile(step);
  const got = await compiled(upstream, ...xs);
  compiled.dispose();
  got.forEach((tensor, i) => {
    expect(tensor.shape).toEqual(expected[i]!.shape);
    const wanted = Array.from(expected[i]!.dataSync());
    const scale = Math.max(1, ...wanted.map(Math.abs).filter(Number.isFinite));
    const worst = Array.from(tensor.dataSync()).reduce(
      (most, value, k) =>
        Math.max(most, Object.is(value, wanted[k]) ? 0 : Math.abs(value - wanted[k]!) / scale),
      0,
    );
    expect(worst, i === 0 ? 'value' : `gradient ${i}`).toBeLessThan(TOLERANCE);
  });
}

const N = 2;
const side = uniform([4, 5]);
const other = uniform([4, 5]);
const rotated = uniform([4, 2, 3]);

const differentiable: Case[] = [
  ['add', (x, y) => tf.add(x!, y!), [2, 3, 4], [4]],
  ['add, both broadcast', (x, y) => tf.add(x!, y!), [2, 1, 4], [3, 1]],
  ['sub', (x, y) => tf.sub(x!, y!), [2, 3], [2, 1]],
  ['sub from a smaller one', (x, y) => tf.sub(x!, y!), [3], [2, 3]],
  ['sub 0', (x) => tf.sub(x!, tf.zeros([4, 1, 3])), [3]],
  ['mul', (x, y) => tf.mul(x!, y!), [2, 3], [3]],
  ['div', (x, y) => tf.div(x!, y!), [2, 3], positive([3])],
  ['div by 1', (x) => tf.div(x!, tf.ones([4, 1, 3])), [3]],
  ['addN', (x, y) => tf.addN([x!, y!, x!]), [2, 3], [2, 3]],
  ['neg', (x) => tf.neg(x!), [5]],
  ['square', (x) => tf.square(x!), [5]],
  ['sqrt', (x) => tf.sqrt(x!), positive([5])],
  ['rsqrt', (x) => tf.rsqrt(x!), positive([5])],
  ['exp', (x) => tf.exp(x!), [5]],
  ['expm1', (x) => tf.expm1(x!), [5]],
  ['log', (x) => tf.log(x!), positive([5])],
  ['log1p', (x) => tf.log1p(x!), positive([5])],
  ['reciprocal', (x) => tf.reciprocal(x!), positive([5])],
  ['sigmoid', (x) => tf.sigmoid(x!), [5]],
  ['tanh', (x) => tf.tanh(x!), [5]],
  ['softplus', (x) => tf.softplus(x!), [5]],
  ['relu', (x) => tf.relu(x!), [50]],
  ['relu6', (x) => tf.relu6(x!), uniform([50], -3, 9)],
  ['leakyRelu', (x) => tf.leakyRelu(x!, 0.1), [50]],
  ['elu', (x) => tf.elu(x!), [50]],
  ['abs', (x) => tf.abs(x!), [9]],
  ['x step(x)', (x) => tf.mul(tf.step(x!), x!), [50]],
  ['step with a slope', (x) => tf.mul(tf.step(x!, 0.2), x!), [50]],
  ['sin', (x) => tf.sin(x!), [5]],
  ['cos', (x) => tf.cos(x!), [5]],
  ['tan', (x) => tf.tan(x!), [5]],
  ['asin', (x) => tf.asin(x!), uniform([5], -0.9, 0.9)],
  ['acos', (x) => tf.acos(x!), uniform([5], -0.9, 0.9)],
  ['atan', (x) => tf.atan(x!), [5]],
  ['erf', (x) => tf.erf(x!), [5]],
  ['maximum', (x, y) => tf.maximum(x!, y!), [4, 5], [4, 5]],
  ['minimum', (x, y) => tf.minimum(x!, y!), [4, 5], [4, 5]],
  ['clipByValue', (x) => tf.clipByValue(x!, -0.5, 0.5), [50]],
  ['pow by a number', (x) => tf.pow(x!, 1.5), positive([9])],
  ['pow', (x, y) => tf.pow(x!, y!), positive([9]), positive([9])],
  ['squaredDifference', (x, y) => tf.squaredDifference(x!, y!), [4, 5], [4, 5]],
  [
    'where',
    (x, y) => tf.where(tf.logicalAnd(tf.greater(side, other), tf.greater(side, 0)), x!, tf.mul(y!, 2)),
    [4, 5],
    [4, 5],
  ],
  ['a cast mask', (x) => tf.mul(x!, tf.cast(tf.greater(side, 0), 'float32')), [4, 5]],
  [
    'a broadcast cast mask',
    (x) => tf.mul(x!, tf.tile(tf.cast(tf.greater(tf.slice(side, [0, 0], [4, 1]), 0), 'float32'), [1, 5])),
    [4, 5],
  ],

  [
    'reshape of a transpose',
    (x) => tf.reshape(tf.transpose(tf.reshape(x!, [2, 3, 4, 5]), [0, 3, 1, 2]), [2, 60]),
    [6, 20],
  ],
  [
    'reshape that splits an axis',
    (x) => tf.reshape(tf.transpose(tf.reshape(x!, [2, 12, 2, 3]), [0, 2, 1, 3]), [4, 36]),
    [2, 3, 4, 6],
  ],
  ['reshape of a broadcast', (x) => tf.reshape(tf.broadcastTo(x!, [3, 4, 2]), [12, 2]), [4, 1]],
  ['transpose', (x) => tf.mul(tf.transpose(x!, [2, 0, 1]), rotated), [2, 3, 4]],
  ['expandDims and squeeze', (x) => tf.squeeze(tf.mul(tf.expandDims(x!, -1), 2)), [2, 3]],
  ['sum', (x) => tf.sum(x!, [0, 2]), [2, 3, 4]],
  ['sum of a product, along rows', (x, y) => tf.sum(tf.mul(x!, y!), 2), [4, 4, 1100], [4, 4, 1100]],
  ['mean of a square, along rows and over others', (x) => tf.mean(tf.square(x!), [0, 2]), [4, 4, 1100]],
  [
    'sum of a product, repeated',
    (x, y) => tf.sum(tf.broadcastTo(tf.mul(x!, y!), [2, 16, 1100]), [0, 2]),
    [1, 16, 1100],
    [1, 16, 1100],
  ],
  [
    'a factor for each channel of small maps',
    (x, y, z) => tf.sub(tf.mul(tf.conv2d(x as tf.Tensor4D, y as tf.Tensor4D, 1, 'same'), z!), z!),
    [3, 2, 3, 4],
    [1, 1, 4, 20],
    [20],
  ],
  // Runs of 16 and more with the same factor, whole blocks and not, with a number or a map added.
  ...([16, 96, 20] as const).flatMap((run): Case[] => [
    [`x a + b over runs of ${run}`, (x, a, b) => tf.add(tf.mul(x!, a!), b!), [3, 5, run], [5, 1], [5, 1]],
    [
      `x a + b over runs of ${run}, b for all`,
      (x, a, b) => tf.add(tf.mul(x!, a!), b!),
      [5, run],
      [5, 1],
      [1],
    ],
    [
      `x a + y over runs of ${run}`,
      (x, a, y) => tf.add(y!, tf.mul(a!, x!)),
      [3, 5, run],
      [3, 5, 1],
      [3, 5, run],
    ],
    [
      `x a + y over runs of ${run}, y turned`,
      (x, a, y) => tf.add(tf.mul(x!, a!), tf.transpose(y!)),
      [5, run],
      [5, 1],
      [run, 5],
    ],
    [
      `x a + y over runs of ${run}, all of it used again`,
      (x, a, y) => {
        const square = tf.square(y!);
        return tf.mul(tf.add(tf.mul(x!, a!), square), square);
      },
      [5, run],
      [5, 1],
      [5, run],
    ],
  ]),
  ['x a + y, y repeated', (x, a, y) => tf.add(tf.mul(x!, a!), y!), [3, 5, 32], [5, 1], [5, 32]],
  ['x a + b, where a repeats x', (x, a, b) => tf.add(tf.mul(x!, a!), b!), [4, 1, 32], [4, 4, 1], [4, 4, 1]],
  [
    'a norm of each channel of an image, its gradient through a convolution',
    (x, y, z) => {
      const h = tf.conv2d(x as tf.Tensor4D, y as tf.Tensor4D, 1, 'same');
      const centred = tf.sub(h, tf.mean(h, [0, 1, 2]));
      const scale = tf.rsqrt(tf.add(tf.mean(tf.square(centred), [0, 1, 2]), 1e-3));
      return tf.add(tf.mul(centred, tf.mul(scale, z!)), tf.add(h, z!));
    },
    [3, 4, 8, 4],
    [3, 3, 4, 20],
    [20],
  ],
  ['sum, kept', (x) => tf.sum(x!, -1, true), [2, 3, 4]],
  ['sum of a broadcast', (x) => tf.sum(tf.mul(tf.broadcastTo(x!, [3, 5]), 2), 0), [1, 5]],
  ['mean', (x) => tf.mean(x!, [1, 2], true), [2, 3, 4]],
  ['max', (x) => tf.max(x!, -1), [4, 9]],
  ['min', (x) => tf.min(x!, 0), [4, 9]],
  ['cumsum', (x) => tf.cumsum(x!, 1), [2, 5]],
  [
    'moments',
    (x) => {
      const m = tf.moments(x!, [0, 1]);
      return tf.div(tf.sub(x!, m.mean), tf.sqrt(tf.add(m.variance, 1e-3)));
    },
    [3, 4, 5],
  ],
  ['softmax', (x) => tf.softmax(x!), [4, 9]],
  ['logSoftmax', (x) => tf.logSoftmax(x!), [4, 9]],
  ['softmax of a transpose', (x) => tf.softmax(tf.transpose(x!)), [4, 9]],

  ['matMul', (x, y) => tf.matMul(x!, y!), [4, 5], [5, 3]],
  ['matMul, both transposed', (x, y) => tf.matMul(x!, y!, true, true), [5, 4], [3, 5]],
  ['matMul, batches', (x, y) => tf.matMul(x!, y!), [2, 4, 5], [2, 5, 3]],
  ['matMul, batches, right transposed', (x, y) => tf.matMul(x!, y!, false, true), [2, 3, 4, 5], [2, 3, 6, 5]],
  ['matMul, batches, left transposed', (x, y) => tf.matMul(x!, y!, true, false), [2, 5, 4], [2, 5, 3]],
  [
    'matMul of permuted heads',
    (x, y) => tf.matMul(tf.transpose(x!, [0, 2, 1, 3]), tf.transpose(y!, [0, 2, 1, 3]), false, true),
    [2, 4, 3, 5],
    [2, 6, 3, 5],
  ],
  [
    'matMul of rows',
    (x, y) => tf.reshape(tf.matMul(tf.reshape(x!, [8, 5]), y as tf.Tensor2D), [2, 4, 3]),
    [2, 4, 5],
    [5, 3],
  ],

  ...(
    [
      ['3x3', 1, 'same', 3, 7, 6],
      ['3x3, stride 2', 2, 'same', 3, 8, 8],
      ['3x3, stride 2, odd size', 2, 'same', 3, 7, 9],
      ['3x3, valid', 1, 'valid', 3, 7, 6],
      ['3x3, stride 2, valid', 2, 'valid', 3, 8, 8],
      ['3x3, stride 2, padded evenly', 2, 1, 3, 8, 8],
      ['3x3, stride 2, padded evenly, odd size', 2, 1, 3, 7, 9],
      ['1x1', 1, 'same', 1, 7, 6],
      ['1x1, stride 2', 2, 'same', 1, 8, 8],
      ['4x4, stride 2', 2, 'same', 4, 8, 8],
      ['5x5', 1, 'same', 5, 8, 8],
      ['7x7, stride 2', 2, 'same', 7, 16, 16],
    ] as [string, number, 'same' | 'valid' | number, number, number, number][]
  ).flatMap(([name, stride, pad, kernel, h, w]): Case[] => [
    [
      `conv2d ${name}`,
      (x, y) => tf.conv2d(x as tf.Tensor4D, y as tf.Tensor4D, stride, pad),
      [N, h, w, 3],
      [kernel, kernel, 3, 5],
    ],
    [
      `conv2d ${name}, filter kept as [out, kh, kw, in], behind another`,
      (x, y, z) => {
        const inner = tf.conv2d(x as tf.Tensor4D, z as tf.Tensor4D, 1, 'same');
        return tf.conv2d(tf.tanh(inner), tf.transpose(y!, [1, 2, 3, 0]) as tf.Tensor4D, stride, pad);
      },
      [N, h, w, 3],
      [5, kernel, kernel, 4],
      [1, 1, 3, 4],
    ],
  ]),
  ...(
    [
      ['24 channels to 48', 1, 'same', 3, 24, 48],
      ['16 channels to 16', 1, 'same', 3, 16, 16],
      ['3 channels to 32', 1, 1, 3, 3, 32],
      ['20 channels to 28, stride 2', 2, 1, 3, 20, 28],
      ['24 channels to 24, stride 2, other padding', 2, 'same', 3, 24, 24],
      ['16 channels to 32, stride 2, 4x4', 2, 'same', 4, 16, 32],
      ['16 channels to 16, stride 3, 5x5', 3, 2, 5, 16, 16],
      ['16 channels to 16, valid', 2, 'valid', 3, 16, 16],
      ['32 channels to 3', 1, 1, 3, 32, 3],
      ['20 channels to 2, 4x4', 1, 'same', 4, 20, 2],
      ['24 channels to 3, valid, 2x4', 1, 'valid', [2, 4], 24, 3],
      ['32 channels to 20', 1, 'same', 3, 32, 20],
      ['24 channels to 20, valid, 2x4', 1, 'valid', [2, 4], 24, 20],
      ['7 channels to 5, 4x4', 1, 'same', 4, 7, 5],
    ] as [string, number, 'same' | 'valid' | number, number | [number, number], number, number][]
  ).flatMap(([name, stride, pad, kernel, from, to]): Case[] => [
    [
      `conv2d ${name}`,
      (x, y, b) =>
        tf.add(
          tf.conv2d(
            tf.mul(x!, 0.2) as tf.Tensor4D,
            tf.transpose(y!, [1, 2, 3, 0]) as tf.Tensor4D,
            stride,
            pad,
          ),
          b!,
        ),
      [N, 7, 10, from],
      [to, ...(typeof kernel === 'number' ? [kernel, kernel] : kernel), from],
      [to],
    ],
  ]),
  [
    'conv2d with a bias, which is also used without it',
    (x, y, b) => {
      const plain = tf.conv2d(x as tf.Tensor4D, y as tf.Tensor4D, 1, 'same');
      return tf.mul(tf.add(b!, plain), plain);
    },
    [N, 5, 4, 3],
    [3, 3, 3, 2],
    [2],
  ],
  [
    'conv2d with one number as bias of all channels, and with an image added',
    (x, y, image) => {
      const plain = tf.conv2d(x as tf.Tensor4D, y as tf.Tensor4D, 1, 'same');
      return tf.add(tf.add(plain, tf.fill([2], 0.3)), tf.mul(tf.add(plain, image!), plain));
    },
    [N, 5, 4, 3],
    [3, 3, 3, 2],
    [N, 5, 4, 2],
  ],
  ...(
    [
      ['image', [0, 0], [1, 2], [0, 1], 2, 'valid', [N, 8, 7, 3], 5],
      ['image, in blocks', [0, 0], [1, 2], [3, 1], 2, 'valid', [N, 8, 7, 16], 16],
      ['image, padded again', [0, 0], [1, 1], [1, 1], 1, 'same', [N, 6, 7, 3], 5],
      ['batch', [1, 0], [1, 1], [1, 1], 1, 'valid', [N, 6, 7, 3], 5],
    ] as [string, Pad, Pad, Pad, number, 'valid' | 'same', number[], number][]
  ).map(([name, batch, rows, columns, stride, pad, shape, to]): Case => [
    `conv2d of a padded ${name}`,
    (x, y) =>
      tf.conv2d(tf.pad(x as tf.Tensor4D, [batch, rows, columns, [0, 0]]), y as tf.Tensor4D, stride, pad),
    shape,
    [3, 3, shape[3]!, to],
  ]),
  [
    'conv2dTranspose',
    (x, y) => tf.conv2dTranspose(x as tf.Tensor4D, y as tf.Tensor4D, [N, 8, 8, 3], 2, 'same'),
    [N, 4, 4, 5],
    [4, 4, 3, 5],
  ],
  [
    'group norm',
    (x, g) => {
      const mixed = tf.conv2d(x as tf.Tensor4D, tf.ones([1, 1, 8, 8]), 1, 'same');
      const h = tf.reshape(mixed, [2, 16, 4, 2]);
      const d = tf.sub(h, tf.mean(h, [1, 3], true));
      const v = tf.mean(tf.square(d), [1, 3], true);
      return tf.mul(tf.reshape(tf.mul(d, tf.rsqrt(tf.add(v, 1e-5))), [2, 4, 4, 8]), g!);
    },
    [2, 4, 4, 8],
    [8],
  ],

  ['concat', (x, y) => tf.concat([x!, y!, x!], -1), [2, 3, 4], [2, 3, 2]],
  ['concat with an empty one', (x) => tf.concat([x!, tf.zeros([0, 3])], 0), [2, 3]],
  ['slice', (x) => tf.slice(x!, [0, 1, 1], [2, 2, -1]), [2, 3, 4]],
  [
    'pad',
    (x) =>
      tf.pad(x!, [
        [0, 0],
        [1, 2],
        [0, 1],
      ]),
    [2, 3, 4],
  ],
  [
    'pad with a number',
    (x) =>
      tf.pad(
        x!,
        [
          [1, 0],
          [1, 2],
        ],
        0.5,
      ),
    [2, 3],
  ],
  ['tile', (x) => tf.tile(x!, [2, 3]), [2, 3]],
  ['tile of a one', (x) => tf.tile(x!, [1, 3]), [2, 1]],
  ['reverse', (x) => tf.reverse(x!, [0, 2]), [2, 3, 4]],
  [
    'flip behind a convolution',
    (x, y) => tf.reverse(tf.conv2d(x as tf.Tensor4D, y as tf.Tensor4D, 1, 'same'), 2),
    [N, 4, 5, 3],
    [3, 3, 3, 2],
  ],
  [
    'split',
    (x) => {
      const [a, b] = tf.split(x!, 2, 1);
      return tf.mul(a!, b!);
    },
    [2, 4, 3],
  ],
  ['stack', (x, y) => tf.stack([x!, y!], 1), [2, 3], [2, 3]],
  [
    'unstack',
    (x) => {
      const [a, b] = tf.unstack(x!, 0);
      return tf.mul(a!, b!);
    },
    [2, 3],
  ],
  ['gather', (x) => tf.gather(x!, tf.tensor1d([2, 0, 2, 1], 'int32')), [3, 4]],
  ['gather along 1', (x) => tf.gather(x!, tf.tensor1d([2, 0, 2, 1], 'int32'), 1), [2, 3, 4]],
  ['oneHot', (x) => tf.mul(x!, tf.oneHot(tf.tensor1d([2, 0], 'int32'), 4)), [2, 4]],
  [
    'oneHot of other values',
    (x) => tf.mul(x!, tf.oneHot(tf.tensor1d([2, 0], 'int32'), 4, 0.9, 0.1, 'float32')),
    [2, 4],
  ],
  [
    'fills',
    (x) => tf.add(tf.mul(tf.zerosLike(x!), x!), tf.mul(tf.onesLike(x!), tf.add(x!, tf.fill([2, 3], 2)))),
    [2, 3],
  ],
  ['range', (x) => tf.mul(x!, tf.range(0, 1, 0.25)), [3, 4]],
  ['nearest resize', (x) => tf.image.resizeNearestNeighbor(x as tf.Tensor4D, [8, 6]), [1, 4, 3, 5]],
  ['avgPool', (x) => tf.avgPool(x as tf.Tensor4D, 2, 2, 'same'), [2, 4, 6, 3]],
  ['maxPool', (x) => tf.maxPool(x as tf.Tensor4D, 2, 2, 'same'), [2, 4, 6, 3]],
  ['maxPool, overlapping and padded', (x) => tf.maxPool(x as tf.Tensor4D, 3, 2, 'same'), [2, 7, 6, 3]],
];

describe('value and gradient', () => {
  test.each(differentiable)('%s', async (_, fn, ...inputs) => {
    await compare(
      fn,
      inputs.map((x) => (x instanceof tf.Tensor ? x : uniform(x))),
      true,
    );
  });
});

const valueOnly: Case[] = [
  ['prod', (x) => tf.prod(x!, 1), positive([4, 3])],
  ['cumsum, exclusive and from the end', (x) => tf.cumsum(x!, 1, true, true), [5, 2]],
  ['matMul, one matrix for all', (x, y) => tf.matMul(x!, y!), [2, 4, 5], [1, 5, 3]],
  ['floor', (x) => tf.floor(x!), [9]],
  ['ceil', (x) => tf.ceil(x!), [9]],
  ['round to even', (x) => tf.round(tf.mul(x!, 0.5)), tf.tensor1d([-3, -1, 1, 3, 5, 1.2])],
  ['sign', (x) => tf.sign(x!), [9]],
  ['mod, with the sign of the divisor', (x) => tf.mod(x!, 3), tf.tensor1d([-4, -3, -1, 0, 2, 7])],
  [
    'floorDiv',
    (x) => tf.floorDiv(tf.cast(x!, 'int32'), tf.scalar(3, 'int32')),
    tf.tensor1d([-4, -3, -1, 0, 2, 7]),
  ],
  [
    'comparisons',
    (x, y) =>
      tf.addN(
        [
          tf.greater(x!, y!),
          tf.greaterEqual(x!, y!),
          tf.less(x!, y!),
          tf.lessEqual(x!, y!),
          tf.equal(x!, y!),
          tf.notEqual(x!, y!),
        ].map((b, i) => tf.mul(tf.cast(b, 'float32'), 2 ** i)),
      ),
    tf.tensor1d([1, 2, 3]),
    tf.tensor1d([2, 2, 2]),
  ],
  [
    'logic',
    (x, y) =>
      tf.logicalOr(tf.logicalNot(tf.greater(x!, 0)), tf.logicalAnd(tf.greater(x!, 0), tf.greater(y!, 0))),
    [20],
    [20],
  ],
  ['isNaN', (x) => tf.isNaN(x!), tf.tensor1d([1, NaN, 0])],
  ['all', (x) => tf.all(tf.greater(x!, -0.5), 1), [6, 2]],
  ['any', (x) => tf.any(tf.greater(x!, 0.5), 1), [6, 2]],
  ['argMax', (x) => tf.argMax(x!, 1), [6, 5]],
  ['argMin', (x) => tf.argMin(x!, 0), [6, 5]],
  ['prelu', (x, a) => tf.prelu(x!, a!), [2, 3, 4], [4]],
  [
    'depthwise convolution',
    (x, y) => tf.depthwiseConv2d(x as tf.Tensor4D, y as tf.Tensor4D, 1, 'same'),
    [N, 5, 6, 3],
    [3, 3, 3, 2],
  ],
  [
    'dilated convolution',
    (x, y) => tf.conv2d(x as tf.Tensor4D, y as tf.Tensor4D, 1, 'same', 'NHWC', 2),
    [N, 7, 8, 3],
    [3, 3, 3, 2],
  ],
  ['overlapping average pool', (x) => tf.avgPool(x as tf.Tensor4D, 3, 2, 'same'), [N, 7, 6, 3]],
  ['bilinear resize', (x) => tf.image.resizeBilinear(x as tf.Tensor4D, [7, 9]), [N, 4, 5, 3]],
  [
    'bilinear resize, pixel centers',
    (x) => tf.image.resizeBilinear(x as tf.Tensor4D, [3, 9], false, true),
    [N, 6, 5, 3],
  ],
  ['flipLeftRight', (x) => tf.image.flipLeftRight(x as tf.Tensor4D), [N, 4, 5, 3]],
  [
    'int32 arithmetic',
    (x) => tf.add(tf.mul(tf.cast(x!, 'int32'), tf.scalar(3, 'int32')), tf.scalar(1, 'int32')),
    tf.tensor1d([1, 2, -3]),
  ],
];

describe('value', () => {
  test.each(valueOnly)('%s', async (_, fn, ...inputs) => {
    await compare(
      fn,
      inputs.map((x) => (x instanceof tf.Tensor ? x : uniform(x))),
      false,
    );
  });
});
