/**
 * Verification protocols, as artifact type `verification`: a folder with set.json and a folder for each protocol with
 *   images.npy uint8 [M, height, width, 3] RGB;  pairs.npy int32 [P, 2], rows of images.npy;
 *   same.npy uint8 [P], 1 for the same person;   folds.npy int32 [P], 0 .. folds - 1.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StageError } from '../contract.js';
import type { ImageRows } from './image-set.js';
import { NpyWriter, readNpyAs, writeNpy } from './npy.js';
import { NpyImages } from './npy-images.js';
import type { SetProvenance } from './provenance.js';

export interface VerificationProtocol {
  name: string;
  /** [M] */
  images: ImageRows;
  /** int32 [P, 2] */
  pairs: Int32Array;
  /** uint8 [P] */
  same: Uint8Array;
  /** int32 [P] */
  folds: Int32Array;
}

export interface VerificationInfo {
  format: 'cemiflow-verification/1';
  width: number;
  height: number;
  protocols: { name: string; images: number; pairs: number; folds: number; identitiesDisjoint: boolean }[];
  provenance: SetProvenance;
}

/** Which images of a protocol are compared. */
export interface ProtocolPairs {
  pairs: Int32Array;
  same: Uint8Array;
  folds: Int32Array;
  /** Whether no person is in two folds. */
  identitiesDisjoint: boolean;
}

/** Writes a verification set, its images some at a time. */
export class VerificationWriter {
  readonly #info: VerificationInfo;

  constructor(
    readonly folder: string,
    { width, height }: { width: number; height: number },
    provenance: SetProvenance,
  ) {
    this.#info = { format: 'cemiflow-verification/1', width, height, protocols: [], provenance };
  }

  /** Begins a protocol; it counts once it is finished. */
  begin(name: string): ProtocolWriter {
    const { width, height, protocols } = this.#info;
    const inside = join(this.folder, name);
    mkdirSync(inside, { recursive: true });
    const images = new NpyWriter(join(inside, 'images.npy'), 'uint8', [height, width, 3]);
    return {
      add: (pixels) => images.append(pixels),
      finish({ pairs, same, folds, identitiesDisjoint }) {
        images.close();
        writeNpy(join(inside, 'pairs.npy'), pairs, [same.length, 2]);
        writeNpy(join(inside, 'same.npy'), same, [same.length]);
        writeNpy(join(inside, 'folds.npy'), folds, [folds.length]);
        protocols.push({
          name,
          images: images.rows,
          pairs: same.length,
          folds: new Set(folds).size,
          identitiesDisjoint,
        });
      },
    };
  }

  /** Writes what set.json says, and returns it. */
  finish(): VerificationInfo {
    writeFileSync(join(this.folder, 'set.json'), JSON.stringify(this.#info, null, 1));
    return this.#info;
  }
}

export interface ProtocolWriter {
  /** @param pixels uint8 [n, height, width, 3] */
  add(pixels: Uint8Array): void;
  finish(pairs: ProtocolPairs): void;
}

/** Opens a folder; a protocol's pairs are read when asked for, its images one by one. Throws StageError where it is no verification set. */
export function openVerification(folder: string): {
  info: VerificationInfo;
  protocol(name: string): VerificationProtocol;
} {
  let info: VerificationInfo;
  try {
    info = JSON.parse(readFileSync(join(folder, 'set.json'), 'utf8')) as VerificationInfo;
  } catch (error) {
    throw new StageError(`${folder}: no verification set: ${(error as Error).message}`);
  }
  if (info.format !== 'cemiflow-verification/1')
    throw new StageError(`${folder}: its format is '${info.format}', not cemiflow-verification/1`);
  return {
    info,
    protocol(name) {
      const inside = join(folder, name);
      const images = new NpyImages(join(inside, 'images.npy'), info.width, info.height);
      const pairs = readNpyAs(join(inside, 'pairs.npy'), 'int32').data;
      if (pairs.some((row) => row < 0 || row >= images.count))
        throw new StageError(`${inside}: a pair names an image outside 0..${images.count - 1}`);
      return {
        name,
        images,
        pairs,
        same: readNpyAs(join(inside, 'same.npy'), 'uint8').data,
        folds: readNpyAs(join(inside, 'folds.npy'), 'int32').data,
      };
    },
  };
}
