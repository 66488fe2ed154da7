/**
 * Elementwise arithmetic on vectors as one loop in WebAssembly with 128-bit SIMD: each number is read once and written once, however many
 * operations lie between. Every operation is that of IEEE 754 in single precision, so results are those of other CPU kernels to the bit.
 */
import type { OnnxNode } from './onnx-encoder.js';

/** Memory that loops work in. Its buffer stays the same, since it never grows. */
export interface LoopMemory {
  readonly buffer: ArrayBuffer;
}

// Node's types have no WebAssembly, which browsers' have.
const { Memory, Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;

interface WebAssemblyApi {
  Memory: new (size: { initial: number }) => LoopMemory;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: { '': { memory: LoopMemory } }) => { exports: { loop: Loop } };
}

/** A page of WebAssembly's memory, and how many there can be. */
const PAGE = 2 ** 16;
export const MAX_BYTES = PAGE * 2 ** 16;

/** @throws RangeError where so much cannot be had */
export function loopMemory(bytes: number): LoopMemory {
  return new Memory({ initial: Math.ceil(bytes / PAGE) });
}

/** Opcodes of f32x4 after the prefix 0xfd (WebAssembly 2.0, binary format of vector instructions). */
const OPCODES: Readonly<Record<string, number>> = {
  Abs: 0xe0,
  Neg: 0xe1,
  Sqrt: 0xe3,
  Add: 0xe4,
  Sub: 0xe5,
  Mul: 0xe6,
  Div: 0xe7,
  Min: 0xe8,
  Max: 0xe9,
};

/** ONNX's operators that a loop may consist of. */
export const LOOP_OPERATORS: ReadonlySet<string> = new Set(Object.keys(OPCODES));

export interface LoopSource {
  /** In an order in which they can be computed. */
  nodes: readonly OnnxNode[];
  /** Names of the vectors that are read. */
  vectors: readonly string[];
  /** Names of single numbers, the same for all elements. */
  numbers: readonly string[];
  /** Names of the vectors that are written. */
  outputs: readonly string[];
}

/**
 * bytes of each vector (rounded up to 16), then where in the memory each of `vectors` and of `outputs` begins, then the `numbers`. An element is
 * written after all that it comes from was read, so outputs may lie where vectors do.
 */
export type Loop = (bytes: number, ...rest: number[]) => void;

/** @throws WebAssembly.CompileError where the processor has no SIMD */
export function vectorLoop(source: LoopSource, memory: LoopMemory): Loop {
  return new Instance(new Module(encodeLoop(source)), { '': { memory } }).exports.loop;
}

const I32 = 0x7f;
const F32 = 0x7d;
const V128 = 0x7b;
const EMPTY_BLOCK = 0x40;

function encodeLoop({ nodes, vectors, numbers, outputs }: LoopSource): Uint8Array<ArrayBuffer> {
  const pointers = vectors.length + outputs.length;
  const parameters = [I32, ...Array<number>(pointers).fill(I32), ...numbers.map(() => F32)];
  // Local variables: parameters, the offset in bytes, then a v128 for each value.
  const offset = parameters.length;
  const local = new Map<string, number>();
  for (const name of [...numbers, ...vectors, ...nodes.map((node) => node.outputs[0]!)])
    local.set(name, offset + 1 + local.size);
  const get = (index: number): number[] => [0x20, ...unsigned(index)];
  const set = (index: number): number[] => [0x21, ...unsigned(index)];
  /** Pointer k plus the offset. */
  const address = (k: number): number[] => [...get(1 + k), ...get(offset), 0x6a];
  const simd = (opcode: number, ...rest: number[]): number[] => [0xfd, ...unsigned(opcode), ...rest];

  const body = [
    ...numbers.flatMap((name, k) => [...get(1 + pointers + k), ...simd(0x13), ...set(local.get(name)!)]),
    0x03,
    EMPTY_BLOCK,
    ...vectors.flatMap((name, k) => [...address(k), ...simd(0x00, 2, 0), ...set(local.get(name)!)]),
    ...nodes.flatMap(({ op, inputs, outputs: [output] }) => [
      ...inputs.flatMap((name) => get(local.get(name)!)),
      ...simd(OPCODES[op]!),
      ...set(local.get(output!)!),
    ]),
    ...outputs.flatMap((name, k) => [
      ...address(vectors.length + k),
      ...get(local.get(name)!),
      ...simd(0x0b, 2, 0),
    ]),
    // offset += 16, and again while it is below the bytes.
    ...[...get(offset), 0x41, 16, 0x6a, 0x22, ...unsigned(offset)],
    ...[...get(0), 0x49, 0x0d, 0],
    0x0b,
    0x0b,
  ];
  const locals = [2, 1, I32, ...unsigned(local.size), V128];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, ...sized(parameters), 0]),
    ...section(2, [1, 0, ...sized([...Buffer.from('memory')]), 2, 0, 0]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...sized([...Buffer.from('loop')]), 0, 0]),
    ...section(10, [1, ...sized([...locals, ...body])]),
  ]);
}

const sized = (bytes: readonly number[]): number[] => [...unsigned(bytes.length), ...bytes];

const section = (id: number, content: readonly number[]): number[] => [id, ...sized(content)];

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}
