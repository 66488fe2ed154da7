/**
 * The state of a training on disk: one file, written beside and renamed, so that a kill at any moment leaves the old one or the
 * new one. Random numbers depend on the step only, so the step, the vectors and a few notes are all there is.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type JsonObject, type StageContext, StageError } from '../contract.js';
import { type NamedTensor, readSafetensors, writeSafetensors } from '../data/safetensors.js';

export interface TrainingState<Name extends string> {
  /** Steps done. */
  step: number;
  vectors: Record<Name, Float32Array>;
  /** What a resumed training has to know besides: the numbers last told, what a watch counts. */
  notes: JsonObject;
}

export class TrainingCheckpoint<Name extends string> {
  readonly #file: string;

  /**
   * @param folder made when first saved
   * @param sizes  elements of each vector
   */
  constructor(
    private readonly folder: string,
    private readonly sizes: Readonly<Record<Name, number>>,
  ) {
    this.#file = join(folder, 'training.safetensors');
  }

  save({ step, vectors, notes }: TrainingState<Name>): void {
    const tensors = new Map<string, NamedTensor>([
      ['step', { shape: [1], data: Int32Array.of(step) }],
      ['notes', flat(new TextEncoder().encode(JSON.stringify(notes)))],
    ]);
    for (const name of this.#names()) tensors.set(name, flat(vectors[name]));
    tensors.set('digest', flat(digestOf(tensors)));
    mkdirSync(this.folder, { recursive: true });
    writeSafetensors(this.#file, tensors);
  }

  /**
   * @returns undefined where there is none, and where the file is damaged: then the log says that training begins anew
   * @throws StageError where it is of another network
   */
  read({ log }: Pick<StageContext, 'log'>): TrainingState<Name> | undefined {
    if (!existsSync(this.#file)) return undefined;
    let tensors: Map<string, NamedTensor>;
    try {
      tensors = readSafetensors(this.#file);
      const digest = tensors.get('digest');
      tensors.delete('digest');
      if (!digest || Buffer.compare(digest.data as Uint8Array, digestOf(tensors)) !== 0)
        throw new Error(`${this.#file}: its bytes are not those that were written`);
    } catch (error) {
      log(`training begins anew, its checkpoint is damaged: ${(error as Error).message}`);
      return undefined;
    }
    const vector = (name: Name): Float32Array => {
      const data = tensors.get(name)?.data;
      if (!(data instanceof Float32Array) || data.length !== this.sizes[name])
        throw new StageError(
          `${this.#file}: ${name} does not have this training's ${this.sizes[name]} numbers`,
          'Delete the file: training begins anew.',
        );
      return data;
    };
    return {
      step: tensors.get('step')!.data[0]!,
      vectors: Object.fromEntries(this.#names().map((name) => [name, vector(name)])) as Record<
        Name,
        Float32Array
      >,
      notes: JSON.parse(new TextDecoder().decode(tensors.get('notes')!.data as Uint8Array)) as JsonObject,
    };
  }

  #names(): Name[] {
    return Object.keys(this.sizes) as Name[];
  }
}

const flat = (data: NamedTensor['data']): NamedTensor => ({ shape: [data.length], data });

/** Of names and values, in the order they are written. */
function digestOf(tensors: ReadonlyMap<string, NamedTensor>): Uint8Array {
  const hash = createHash('sha256');
  for (const [name, { data }] of tensors)
    hash.update(`${name}\n`).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return hash.digest();
}
