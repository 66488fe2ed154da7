/**
 * What would be silently wrong in a compiled function is refused, with the line of the stage's code. A line that an error must name ends
 * in a comment `<- name` here.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { build } from 'esbuild';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MAX_SIGNATURES } from '../../../stages/tensors/compile.js';
import { type Compiled, type Device, openDevice } from '../../../stages/tensors/device.js';
import { layoutOf, valueAndGradient } from '../../../stages/tensors/network.js';
import { stageLine } from '../../../stages/tensors/stage-line.js';

const here = fileURLToPath(import.meta.url);

/** The place of the line of a text that ends in `<- name`. */
function marked(
  name: string,
  text = readFileSync(here, 'utf8'),
  file = 'test/stages/tensors/refusals.test.ts',
): string {
  const line = text.split('\n').findIndex((content) => content.endsWith(`// <- ${name}`)) + 1;
  if (line === 0) throw new Error(`no line is marked '${name}'`);
  return `${file}:${line}: `;
}

let device: Device;
beforeAll(async () => {
  device = await openDevice('onnx', { threads: 1 });
});
const x = () => tf.tensor1d([1, 2]);

/** The function must be refused at its call, with this beginning, and leave nothing behind. */
async function refused(
  fn: (...args: never[]) => object,
  beginning: string,
  ...args: unknown[]
): Promise<void> {
  const before = tf.memory().numTensors;
  const compiled = device.compile(fn);
  const error = await compiled(...(args as never[])).then(
    () => new Error('nothing was refused'),
    (reason: Error) => reason,
  );
  expect(error.message.slice(0, beginning.length)).toBe(beginning);
  compiled.dispose();
  expect(tf.memory().numTensors).toBe(before);
  expect(tf.getBackend()).toBe('cpu');
}

describe('values read while the function is traced', () => {
  const reads = 'the function reads the value of a tensor while it is traced';

  test('by dataSync', () =>
    refused(
      (t: tf.Tensor) => tf.mul(t, t.dataSync()[0]!), // <- dataSync
      marked('dataSync') + reads,
      x(),
    ));

  test('by arraySync, to decide what is computed', () =>
    refused(
      (t: tf.Tensor) => {
        const largest = tf.max(t);
        return (largest.arraySync() as number) > 1 ? t : tf.neg(t); // <- arraySync
      },
      marked('arraySync') + reads,
      x(),
    ));

  test('by data, awaited or not', async () => {
    await refused(
      async (t: tf.Tensor) => tf.mul(t, (await t.data())[0]!), // <- awaited data
      marked('awaited data') + reads,
      x(),
    );
    await refused(
      (t: tf.Tensor) => {
        void t.data().then((values) => console.log(values)); // <- data
        return t;
      },
      marked('data') + reads,
      x(),
    );
  });

  test('by print', () =>
    refused(
      (t: tf.Tensor) => {
        t.print(); // <- print
        return t;
      },
      marked('print') + reads,
      x(),
    ));

  test('also where the function catches the error', () =>
    refused(
      (t: tf.Tensor) => {
        try {
          return tf.mul(t, t.dataSync()[0]!); // <- caught
        } catch {
          return t;
        }
      },
      marked('caught') + reads,
      x(),
    ));

  test('inside a loss that is differentiated', () => {
    const network = (scale: tf.Tensor): { loss: tf.Scalar } => ({ loss: tf.sum(scale) as tf.Scalar });
    const layout = layoutOf((scope) => network(scope.weight('scale', [2], { kind: 'ones' })));
    return refused(
      (weights: tf.Tensor1D) =>
        valueAndGradient(layout, weights, tf.zeros([0]), (scope) => {
          const scale = scope.weight('scale', [2], { kind: 'ones' });
          if (scale.dataSync()[0]! > 0) return network(scale); // <- loss
          return network(tf.neg(scale));
        }),
      marked('loss') + reads,
      x(),
    );
  });
});

describe('what differs from call to call', () => {
  const differ = 'two traces of the function differ';
  const changed =
    'the function is no more what it was at its first call: a value from around it has changed since';

  test('random numbers', async () => {
    await refused(
      (t: tf.Tensor) => {
        const noise = tf.randomNormal([2]); // <- randomNormal
        return tf.add(t, noise);
      },
      marked('randomNormal') + differ,
      x(),
    );
    await refused(
      (t: tf.Tensor) => tf.dropout(t, 0.5), // <- dropout
      marked('dropout') + differ,
      tf.ones([50]),
    );
    await refused(
      (t: tf.Tensor) => tf.mul(tf.neg(t), Math.random()), // <- Math.random
      marked('Math.random') + differ,
      x(),
    );
  });

  test('a counter', async () => {
    let count = 0;
    await refused(
      (t: tf.Tensor) => tf.mul(t, ++count), // <- counter
      marked('counter') + differ,
      x(),
    );
  });

  test('the order of operations', async () => {
    let odd = false;
    await refused(
      (t: tf.Tensor) => {
        odd = !odd;
        const y = tf.square(t);
        return odd ? tf.neg(y) : tf.exp(y); // <- operation
      },
      marked('operation') + differ,
      x(),
    );
  });

  /** Calls until it is refused, and says at which call. */
  async function refusedLater(
    compiled: Compiled<(t: tf.Tensor) => tf.Tensor>,
    between: (call: number) => void,
  ): Promise<{ call: number; message: string }> {
    for (let call = 1; call <= 1024; call++) {
      try {
        (await compiled(x())).dispose();
      } catch (error) {
        return { call, message: (error as Error).message };
      }
      between(call);
    }
    return { call: Infinity, message: '' };
  }

  test('a learning rate of each step, as a number from outside, is refused at the second step', async () => {
    let lr = 0.1;
    const compiled = device.compile((t: tf.Tensor) => {
      const scaled = tf.mul(t, lr); // <- learning rate
      return tf.sub(t, scaled);
    });
    const { call, message } = await refusedLater(compiled, () => (lr *= 0.9));
    expect(call).toBe(2);
    expect(message).toContain(marked('learning rate') + changed);
    expect(message).toContain('Pass it as an argument, a number as tf.scalar');
  });

  test('as an attribute of an operation too', async () => {
    let limit = 1;
    const compiled = device.compile(
      (t: tf.Tensor) => tf.clipByValue(t, 0, limit), // <- attribute
    );
    const { call, message } = await refusedLater(compiled, () => limit++);
    expect([call, message.startsWith(marked('attribute') + changed)]).toEqual([2, true]);
  });

  test('a captured variable that is assigned to', async () => {
    const factor = tf.variable(tf.scalar(1));
    const compiled = device.compile(
      (t: tf.Tensor) => tf.mul(t, factor), // <- variable
    );
    const { call, message } = await refusedLater(compiled, () => factor.assign(tf.scalar(2)));
    expect([call, message.startsWith(marked('variable') + changed)]).toEqual([2, true]);
    factor.dispose();
  });

  test('a number that changes at a milestone is refused some calls later, before that many went wrong as had gone well', async () => {
    let lr = 0.1;
    const compiled = device.compile(
      (t: tf.Tensor) => tf.mul(t, lr), // <- milestone
    );
    const { call, message } = await refusedLater(compiled, (done) => {
      if (done === 10) lr = 0.01;
    });
    expect([call, message.startsWith(marked('milestone') + changed)]).toEqual([16, true]);
  });

  test('what stays the same is not', async () => {
    const compiled = device.compile((t: tf.Tensor) => tf.mul(t, 0.5));
    expect(await refusedLater(compiled, () => {})).toEqual({ call: Infinity, message: '' });
  });
});

test('a weight that is not an argument, which stays usable', async () => {
  const weights = tf.tensor2d(new Float32Array(300).fill(0.5), [300, 1]);
  await refused(
    (t: tf.Tensor) => tf.matMul(t as tf.Tensor2D, weights), // <- weight
    `${marked('weight')}the function uses a tensor of shape [300, 1] that is not among its arguments; it would stay as it is now for ever`,
    tf.ones([1, 300]),
  );
  expect(tf.sum(weights).dataSync()[0]).toBe(150);
  weights.dispose();
});

describe('tf.variable, which only the trace would change:', () => {
  const variable = 'the function makes a tf.variable or assigns to one';

  test('one that is assigned to, and never read', async () => {
    const mean = tf.variable(tf.scalar(0));
    await refused(
      (t: tf.Tensor) => {
        mean.assign(tf.mean(t)); // <- assigned
        return t;
      },
      marked('assigned') + variable,
      x(),
    );
    mean.dispose();
  });

  test('one that is made inside', async () => {
    const compiled = device.compile(
      (t: tf.Tensor) => tf.mul(tf.variable(t, true, 'inside'), 2), // <- made
    );
    await expect(compiled(x())).rejects.toThrow(marked('made') + variable);
    tf.disposeVariables();
  });

  test("those of tfjs' optimisers", async () => {
    const weights = tf.variable(tf.tensor1d([3, 4]));
    const optimiser = tf.train.sgd(0.1);
    await expect(
      device.compile(
        (t: tf.Tensor) => optimiser.minimize(() => tf.sum(tf.mul(t, weights)), true)!, // <- optimiser
      )(x()),
    ).rejects.toThrow(marked('optimiser') + variable);
    tf.disposeVariables();
  });
});

test('a result stored aside instead of returned', async () => {
  let aside: tf.Tensor | undefined;
  const compiled = device.compile((t: tf.Tensor) => {
    aside ??= tf.keep(tf.mul(t, 2));
    return t;
  });
  (await compiled(x())).dispose();
  const read = () => aside!.dataSync(); // <- aside
  expect(read).toThrow(`${marked('aside')}a tensor that a compiled function has stored aside is read`);
  aside!.dispose();
});

test.each(['onnx', 'cpu'])(
  'on %s an argument that has been donated, or disposed, where it is passed again',
  async (name) => {
    const compile: Device['compile'] = (await openDevice(name, { threads: 1 })).compile;
    for (const frozen of [[], [0]]) {
      const step = compile((state: { w: tf.Tensor }) => tf.mul(state.w, 2), { donate: [0], frozen });
      const state = { w: x() };
      expect(Array.from(await (await step(state)).data())).toEqual([2, 4]);
      const again = () => step(state); // <- donated
      await expect(again()).rejects.toThrow(`${marked('donated')}'0.w' has been disposed`);
      step.dispose();
    }
  },
);

describe('in a sampler, whose weights are frozen,', () => {
  /** x_t -> x_{t-1}: compiled as the sampler of stages/diffusion is. */
  const sampler = (step: (weights: tf.Tensor, xt: tf.Tensor) => tf.Tensor) =>
    device.compile(step, { donate: [1], frozen: [0] });
  const weights = () => tf.tensor1d([0.5, 0.25]);

  test('noise made inside', async () => {
    const denoise = sampler((w, xt) => tf.add(tf.mul(w, xt), tf.randomNormal([2]))); // <- noise
    await expect(denoise(weights(), x())).rejects.toThrow(
      `${marked('noise')}two traces of the function differ`,
    );
  });

  test('weights that are read', async () => {
    const strongest = (w: tf.Tensor) => Math.max(...w.dataSync()); // <- strongest
    const denoise = sampler((w, xt) => tf.mul(xt, strongest(w)));
    await expect(denoise(weights(), x())).rejects.toThrow(
      `${marked('strongest')}the function reads the value of a tensor`,
    );
  });

  test('a number of each DDIM step', async () => {
    const w = weights();
    let sigma = 1;
    const denoise = sampler((v, xt) => tf.add(tf.mul(v, xt), sigma)); // <- sigma
    await denoise(w, x());
    sigma = 0.5;
    await expect(denoise(w, x())).rejects.toThrow(`${marked('sigma')}the function is no more what it was`);
  });

  test('other weights at every call: the ninth are refused', async () => {
    const denoise = sampler((w, xt) => tf.mul(w, xt));
    for (let call = 1; call <= MAX_SIGNATURES; call++) await denoise(weights(), x());
    const ninth = () => denoise(weights(), x()); // <- ninth weights
    await expect(ninth()).rejects.toThrow(
      `${marked('ninth weights')}the compiled function has been called with`,
    );
    denoise.dispose();
  });
});

test('a tensor kept from an earlier trace', async () => {
  let kept: tf.Tensor | undefined;
  const fn = device.compile((t: tf.Tensor) => {
    if (kept) return tf.add(t, kept); // <- kept
    kept = tf.keep(tf.add(t, 1));
    return t;
  });
  await expect(fn(x())).rejects.toThrow(`${marked('kept')}a tensor made in an earlier trace is used`);
  kept!.dispose();
});

test('shapes that change at every call: the ninth is refused, where it is called', async () => {
  const fn = device.compile((batch: { images: tf.Tensor }, scale: tf.Scalar) => tf.mul(batch.images, scale));
  for (let size = 1; size <= MAX_SIGNATURES; size++) await fn({ images: tf.ones([size]) }, tf.scalar(2));
  const ninth = () => fn({ images: tf.ones([99]) }, tf.scalar(2)); // <- ninth
  await expect(ninth()).rejects.toThrow(
    `${marked('ninth')}the compiled function has been called with arguments of 8 different shapes or frozen tensors, and now with others again ` +
      '(0.images: float32[99])',
  );
  // Those it knows it still takes.
  expect((await fn({ images: tf.ones([3]) }, tf.scalar(2))).shape).toEqual([3]);
  fn.dispose();
});

test.each(['onnx', 'cpu'])('on %s a promise, where the function is compiled', async (name) => {
  const opened = await openDevice(name, { threads: 1 });
  const late = (t: tf.Tensor) => Promise.resolve(t);
  const compiled = opened.compile(late); // <- promise
  await expect(compiled(x())).rejects.toThrow(`${marked('promise')}the function returns a promise`);
});

test('numbers among the arguments and results', async () => {
  const argument = device.compile((t: tf.Tensor, o: { lr: number }) => tf.mul(t, o.lr));
  const call = () => argument(x(), { lr: 1 }); // <- number
  await expect(call()).rejects.toThrow(`${marked('number')}'1.lr' is a number, not a tensor`);
  const result = device.compile((t: tf.Tensor) => ({ t, size: t.size }));
  await expect(result(x())).rejects.toThrow("'size' is a number, not a tensor");
  const alone = device.compile(((t: tf.Tensor) => t.size) as never as (t: tf.Tensor) => tf.Tensor);
  await expect(alone(x())).rejects.toThrow('the result is a number, not a tensor');
});

test('an operation that has no kernel', () =>
  refused(
    (t: tf.Tensor) => tf.topk(t, 1).values, // <- topk
    `${marked('topk')}the operation TopK cannot be traced`,
    x(),
  ));

test('a form of an operation that has no kernel, and shapes that do not fit', async () => {
  await refused(
    (t: tf.Tensor) => tf.gather(tf.stack([t, t]), tf.tensor2d([[0], [1]], [2, 1], 'int32'), 1, 1), // <- batchDims
    `${marked('batchDims')}gather with batchDims is not traced`,
    x(),
  );
  await refused(
    (t: tf.Tensor) => [t, tf.tensor1d(['a'])], // <- text
    `${marked('text')}tensors of type string cannot be traced`,
    x(),
  );
  await refused(
    (t: tf.Tensor) => tf.add(t, tf.ones([3])), // <- shapes
    `${marked('shapes')}Operands could not be broadcast together with shapes 2 and 3`,
    x(),
  );
});

test('what fails only when it runs names the line too, not the node alone', async () => {
  const pick = device.compile((t: tf.Tensor, indices: tf.Tensor) => {
    const rows = tf.gather(t, indices as tf.Tensor1D); // <- gather
    return tf.mul(rows, 2);
  });
  await expect(pick(x(), tf.tensor1d([7], 'int32'))).rejects.toThrow(
    new RegExp(`^${marked('gather')}.*indices element out of data bounds`),
  );
});

describe("a user's own stage, in a process of its own,", () => {
  // As a folder is called that was copied by hand.
  const folder = mkdtempSync(join(tmpdir(), 'cemiflow refusals (copy) '));
  afterAll(() => rmSync(folder, { recursive: true }));
  const library = JSON.stringify(pathToFileURL(resolve('dist/stages/tensors/device.js')).href);
  const tfjs = JSON.stringify(pathToFileURL(resolve('node_modules/@tensorflow/tfjs/dist/tf.node.js')).href);
  const code = `import { openDevice } from ${library};
import { createRequire } from 'node:module';
const tf = createRequire(import.meta.url)(new URL(${tfjs}).pathname);

const device = await openDevice('onnx', { threads: 1 });
const step = device.compile((weights) => {
  const norm = tf.norm(weights);
  return tf.div(weights, norm.dataSync()[0]); // <- own
});
await step(tf.ones([3])).catch(({ message }) => console.log(message));
`;
  const run = async (file: string): Promise<string> => (await execa('node', [file], { cwd: folder })).stdout;

  test('in plain JavaScript', async () => {
    writeFileSync(join(folder, 'own.mjs'), code);
    expect(await run('own.mjs')).toContain(`${marked('own', code, 'own.mjs')}the function reads`);
  });

  test('in TypeScript, compiled by esbuild with a source map, in a file beside it or inside', async () => {
    const source = `interface Wide { wide: true }\n\n\n${code}`;
    writeFileSync(join(folder, 'typed.mts'), source);
    for (const sourcemap of ['linked', 'inline'] as const) {
      const outfile = join(folder, `${sourcemap}.mjs`);
      await build({ entryPoints: [join(folder, 'typed.mts')], outfile, sourcemap, minify: true });
      expect(await run(outfile)).toContain(`${marked('own', source, 'typed.mts')}the function reads`);
    }
  });
});

test('lines of the stages that come with cemiflow are those of their sources', () => {
  const lineWith = (file: string, word: string): number =>
    readFileSync(file, 'utf8')
      .split('\n')
      .findIndex((line) => line.includes(word)) + 1;
  const compiled = lineWith('dist/stages/diffusion/unet.js', 'function crossAttention');
  const source = lineWith('stages/diffusion/unet.ts', 'function crossAttention');
  const stack = `Error: x\n    at crossAttention (${pathToFileURL(resolve('dist/stages/diffusion/unet.js')).href}:${compiled}:10)`;
  expect(stageLine(stack)).toBe(`stages/diffusion/unet.ts:${source}`);
  expect(stageLine('Error: x\n    at node:internal/process/task_queues:95:5')).toBe(undefined);
});
