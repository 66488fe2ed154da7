/** What the CPU kernels of this machine's ONNX Runtime have beside ONNX's own operators: found by trying, since it tells nobody. */
import type { Target } from './graph.js';
import { encodeModel, type OnnxNode } from './onnx-encoder.js';

type OnnxRuntime = typeof import('onnxruntime-node');

const ownMemory: Target = { block: 0, fused: true, inPlace: true };

let known: Promise<Target> | undefined;

/** Tried once in a process. */
export function cpuTarget(runtime: OnnxRuntime): Promise<Target> {
  known ??= blockOf(runtime).then(
    (block) => ({ ...ownMemory, block }),
    // An ONNX Runtime without those operators.
    () => ownMemory,
  );
  return known;
}

/** Four channels go into one block, whose width (16 with AVX-512, otherwise 8) is seen on its shape. */
async function blockOf(runtime: OnnxRuntime): Promise<number> {
  const node: OnnxNode = {
    op: 'ReorderInput',
    domain: 'com.microsoft.nchwc',
    inputs: ['in0'],
    outputs: ['out0'],
    attributes: {},
  };
  const dims = [1, 4, 1, 1];
  const model = encodeModel({
    nodes: [node],
    constants: [],
    inputs: [{ name: 'in0', dtype: 'float32', dims }],
    outputs: [{ name: 'out0', dtype: 'float32', dims }],
  });
  // It warns of an output of another shape than was declared.
  const session = await runtime.InferenceSession.create(model, { logSeverityLevel: 4 });
  try {
    const { out0 } = await session.run({ in0: new runtime.Tensor('float32', new Float32Array(4), dims) });
    const block = out0!.dims[1]!;
    return block === 8 || block === 16 ? block : 0;
  } finally {
    await session.release();
  }
}
