/**
 * Identity centers as an artifact of type `centers`: a folder with
 *   centers.json    CentersInfo
 *   centers.npy     float32 [identities, D], unit rows
 *   similarity.npy  float32 [images], cosine of each image of the data set and its identity's center
 *   labels.npy      int32 [images], the data set's
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StageError } from '../contract.js';
import { readNpyAs, writeNpy } from '../data/npy.js';
import type { ModelProvenance } from '../data/provenance.js';

export interface CentersInfo {
  format: 'cemiflow-centers/1';
  identities: number;
  images: number;
  dimension: number;
  /** classifier: rows of the model's classification layer. mean: of unit embeddings. */
  from: 'classifier' | 'mean';
  /** Digest of the images artifact. */
  dataset: string;
  recogniser?: ModelProvenance;
  similarity: { mean: number; std: number };
}

export interface Centers {
  info: CentersInfo;
  centers: Float32Array;
  similarity: Float32Array;
  labels: Int32Array;
}

export function writeCenters(folder: string, { info, centers, similarity, labels }: Centers): void {
  writeNpy(join(folder, 'centers.npy'), centers, [info.identities, info.dimension]);
  writeNpy(join(folder, 'similarity.npy'), similarity, [info.images]);
  writeNpy(join(folder, 'labels.npy'), labels, [info.images]);
  writeFileSync(join(folder, 'centers.json'), JSON.stringify(info, null, 1));
}

/** @throws StageError where the folder holds no centers */
export function readCenters(folder: string): Centers {
  let info: CentersInfo;
  try {
    info = JSON.parse(readFileSync(join(folder, 'centers.json'), 'utf8')) as CentersInfo;
  } catch (error) {
    throw new StageError(
      `${folder}: no centers: ${(error as Error).message}`,
      'Give the output of center-compute.',
      {
        cause: error,
      },
    );
  }
  if (info.format !== 'cemiflow-centers/1')
    throw new StageError(`${folder}: its format is '${info.format}', not cemiflow-centers/1`);
  return {
    info,
    centers: readNpyAs(join(folder, 'centers.npy'), 'float32').data,
    similarity: readNpyAs(join(folder, 'similarity.npy'), 'float32').data,
    labels: readNpyAs(join(folder, 'labels.npy'), 'int32').data,
  };
}
