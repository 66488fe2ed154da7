/**
 * Verification protocols, as artifact type `verification`: a folder with set.json and a folder for each protocol with
 *   images.npy uint8 [M, height, width, 3] RGB;  pairs.npy int32 [P, 2], rows of images.npy;
 *   same.npy uint8 [P], 1 for the same person;   folds.npy int32 [P], 0 .. folds - 1.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StageError } from '../contract.js';
import { readNpyAs, writeNpy } from './npy.js';
import type { SetProvenance } from './provenance.js';

export interface VerificationProtocol {
  name: string;
  /** uint8 [M, height, width, 3] */
  images: Uint8Array;
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

/** @param identitiesDisjoint whether no person is in two folds */
export function writeVerification(
  folder: string,
  size: { width: number; height: number },
  protocols: readonly (VerificationProtocol & { identitiesDisjoint: boolean })[],
  provenance: SetProvenance,
): VerificationInfo {
  const { width, height } = size;
  const info: VerificationInfo = {
    format: 'cemiflow-verification/1',
    width,
    height,
    protocols: [],
    provenance,
  };
  for (const { name, images, pairs, same, folds, identitiesDisjoint } of protocols) {
    const count = images.length / (width * height * 3);
    const inside = join(folder, name);
    mkdirSync(inside, { recursive: true });
    writeNpy(join(inside, 'images.npy'), images, [count, height, width, 3]);
    writeNpy(join(inside, 'pairs.npy'), pairs, [same.length, 2]);
    writeNpy(join(inside, 'same.npy'), same, [same.length]);
    writeNpy(join(inside, 'folds.npy'), folds, [folds.length]);
    info.protocols.push({
      name,
      images: count,
      pairs: same.length,
      folds: new Set(folds).size,
      identitiesDisjoint,
    });
  }
  writeFileSync(join(folder, 'set.json'), JSON.stringify(info, null, 1));
  return info;
}

/** Opens a folder; a protocol's arrays are read when asked for. Throws StageError where it is no verification set. */
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
      const images = readNpyAs(join(inside, 'images.npy'), 'uint8').data;
      const pairs = readNpyAs(join(inside, 'pairs.npy'), 'int32').data;
      const count = images.length / (info.width * info.height * 3);
      if (pairs.some((row) => row < 0 || row >= count))
        throw new StageError(`${inside}: a pair names an image outside 0..${count - 1}`);
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
