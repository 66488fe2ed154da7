/**
 * Writes a graph as an ONNX ModelProto (protocol buffers, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto): just what
 * graphs of static float, integer and boolean arrays need. Field numbers are those of onnx.proto.
 */

/** The types of arrays that graphs are made of; int64 only for shapes, axes and indices. */
export type OnnxType = 'float32' | 'int32' | 'int64' | 'bool';

/** TensorProto.DataType. */
export const DATA_TYPE: Readonly<Record<OnnxType, number>> = { float32: 1, int32: 6, int64: 7, bool: 9 };

/** A float attribute; bare numbers are written as integers. */
export class FloatAttribute {
  constructor(readonly value: number) {}
}

/** An attribute of a node; bare numbers and lists of them are integers. */
export type Attribute = number | string | readonly number[] | FloatAttribute;

/** NodeProto. */
export interface OnnxNode {
  op: string;
  /** '' for an optional input that is left out. */
  inputs: string[];
  outputs: string[];
  attributes: Readonly<Record<string, Attribute>>;
  /** '' for ONNX's own operators. */
  domain: string;
}

/** ValueInfoProto: a name with its type and static shape. */
export interface OnnxValue {
  name: string;
  dtype: OnnxType;
  dims: readonly number[];
}

/** TensorProto: an initializer. */
export interface OnnxConstant extends OnnxValue {
  /** Its values, or where the session finds them: in an array handed to it beside the model. */
  data: Float32Array | Int32Array | BigInt64Array | Uint8Array | OutsideData;
}

/** A part of an array outside of the model, in bytes. */
export interface OutsideData {
  location: string;
  offset: number;
  length: number;
}

/** GraphProto: nodes in an order in which they can be computed. */
export interface OnnxGraph {
  nodes: readonly OnnxNode[];
  inputs: readonly OnnxValue[];
  outputs: readonly OnnxValue[];
  constants: readonly OnnxConstant[];
}

/** ResizeNearest, ScatterND with reduction and the reduce operators with axes as inputs all exist since this opset. */
const OPSET = 18;
/** The IR version that came with ONNX 1.13, the release of opset 18. */
const IR_VERSION = 8;

/** The bytes of a .onnx file. */
export function encodeModel(graph: OnnxGraph): Uint8Array {
  const body = Buffer.concat([
    ...graph.nodes.map((node) => message(1, encodeNode(node))),
    text(2, 'step'),
    ...graph.constants.map((constant) => message(5, encodeConstant(constant))),
    ...graph.inputs.map((value) => message(11, encodeValue(value))),
    ...graph.outputs.map((value) => message(12, encodeValue(value))),
  ]);
  return Buffer.concat([
    integer(1, IR_VERSION),
    message(7, body),
    message(8, Buffer.concat([text(1, ''), integer(2, OPSET)])),
    // ONNX Runtime's own: FusedMatMul, a batched product with transposed operands, and what kernels/ says of others.
    ...['com.microsoft', 'com.microsoft.nchwc'].map((domain) =>
      message(8, Buffer.concat([text(1, domain), integer(2, 1)])),
    ),
  ]);
}

function encodeNode(node: OnnxNode): Buffer {
  return Buffer.concat([
    ...node.inputs.map((name) => text(1, name)),
    ...node.outputs.map((name) => text(2, name)),
    text(3, node.outputs[0]!),
    text(4, node.op),
    ...Object.entries(node.attributes).map(([name, value]) => message(5, encodeAttribute(name, value))),
    ...(node.domain === '' ? [] : [text(7, node.domain)]),
  ]);
}

/** AttributeProto; field 20 names the type. */
function encodeAttribute(name: string, value: Attribute): Buffer {
  if (value instanceof FloatAttribute)
    return Buffer.concat([text(1, name), float(2, value.value), integer(20, 1)]);
  if (typeof value === 'number') return Buffer.concat([text(1, name), integer(3, value), integer(20, 2)]);
  if (typeof value === 'string') return Buffer.concat([text(1, name), text(4, value), integer(20, 3)]);
  return Buffer.concat([text(1, name), ...value.map((item) => integer(8, item)), integer(20, 7)]);
}

function encodeValue({ name, dtype, dims }: OnnxValue): Buffer {
  const shape = Buffer.concat(dims.map((dim) => message(1, integer(1, dim))));
  const tensor = Buffer.concat([integer(1, DATA_TYPE[dtype]), message(2, shape)]);
  return Buffer.concat([text(1, name), message(2, message(1, tensor))]);
}

function encodeConstant({ name, dtype, dims, data }: OnnxConstant): Buffer {
  return Buffer.concat([
    ...dims.map((dim) => integer(1, dim)),
    integer(2, DATA_TYPE[dtype]),
    text(8, name),
    ...(ArrayBuffer.isView(data)
      ? [message(9, Buffer.from(data.buffer, data.byteOffset, data.byteLength))]
      : // StringStringEntryProtos, then data_location EXTERNAL.
        [
          ...Object.entries(data).map(([key, value]) =>
            message(13, Buffer.concat([text(1, key), text(2, String(value))])),
          ),
          integer(14, 1),
        ]),
  ]);
}

/** A base-128 varint; negative numbers are written as 64-bit two's complement. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

function tag(field: number, wireType: number): Buffer {
  return varint(field * 8 + wireType);
}

function message(field: number, content: Buffer): Buffer {
  return Buffer.concat([tag(field, LENGTH_DELIMITED), varint(content.length), content]);
}

function text(field: number, content: string): Buffer {
  return message(field, Buffer.from(content));
}

function integer(field: number, value: number): Buffer {
  return Buffer.concat([tag(field, VARINT), varint(value)]);
}

function float(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([tag(field, FIXED32), bytes]);
}
