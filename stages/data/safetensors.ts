/**
 * The .safetensors format (Hugging Face): eight bytes of header length, a JSON header, the data; little-endian.
 * https://huggingface.co/docs/safetensors
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { StageError } from '../contract.js';

export interface NamedTensor {
  shape: number[];
  data: Float32Array | Int32Array | Uint8Array;
}

const types = { F32: Float32Array, I32: Int32Array, U8: Uint8Array };
type TypeName = keyof typeof types;

const nameOf = (data: NamedTensor['data']): TypeName =>
  data instanceof Float32Array ? 'F32' : data instanceof Int32Array ? 'I32' : 'U8';

/** Writes beside and renames: a reader never sees half a file. Tensors keep the map's order; the header is padded to 8 bytes. */
export function writeSafetensors(
  file: string,
  tensors: ReadonlyMap<string, NamedTensor>,
  metadata: Record<string, string> = {},
): void {
  const head: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    head[name] = { dtype: nameOf(data), shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  let text = JSON.stringify(head);
  text = text.padEnd(Math.ceil(text.length / 8) * 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  const out = openSync(`${file}.part`, 'w');
  const write = (bytes: Uint8Array) => {
    for (let from = 0; from < bytes.length;) from += writeSync(out, bytes, from);
  };
  write(length);
  write(Buffer.from(text));
  for (const { data } of tensors.values())
    write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  fsyncSync(out);
  closeSync(out);
  renameSync(`${file}.part`, file);
}

/** Throws StageError on a damaged file and on element types other than F32, I32 and U8. */
export function readSafetensors(file: string): Map<string, NamedTensor> {
  const bytes = readFileSync(file);
  const bad = (why: string) => new StageError(`${file}: not a readable .safetensors file: ${why}`);
  if (bytes.length < 8) throw bad('shorter than its header length');
  const length = Number(bytes.readBigUInt64LE(0));
  if (length > bytes.length - 8) throw bad('its header is longer than the file');
  let head: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  try {
    head = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as typeof head;
  } catch {
    throw bad('its header is no JSON');
  }
  const tensors = new Map<string, NamedTensor>();
  for (const [name, entry] of Object.entries(head)) {
    if (name === '__metadata__') continue;
    const Type = types[entry.dtype as TypeName];
    if (!Type) throw bad(`${name} is ${entry.dtype}; F32, I32 and U8 are read`);
    const [from, to] = entry.data_offsets;
    const start = bytes.byteOffset + 8 + length;
    if (8 + length + to > bytes.length) throw bad(`${name} ends after the file`);
    const data = new Type(bytes.buffer.slice(start + from, start + to));
    if (data.length !== entry.shape.reduce((a, b) => a * b, 1))
      throw bad(`${name}'s shape does not fit its data`);
    tensors.set(name, { shape: entry.shape, data });
  }
  return tensors;
}
