/**
 * The list of stage kinds: the one door through which the engine enters stages/. Each author adds a line for a kind. What is
 * imported here are declarations, which are light; the code that works is loaded in an attempt's own process.
 */
import { stage as centerCompute } from './centers/center-compute.stage.js';
import { stage as command } from './command/command.stage.js';
import type { StageDeclaration } from './contract.js';
import { stage as diffusionTrain } from './diffusion/diffusion-train.stage.js';
import { stage as generate } from './diffusion/generate.stage.js';
import { stage as evaluate } from './evaluation/evaluate.stage.js';
import { stage as quality } from './evaluation/quality.stage.js';
import { stage as facesImport } from './faces/faces-import.stage.js';
import { stage as facesRender } from './faces/faces-render.stage.js';
import { stage as verificationPairs } from './faces/verification-pairs.stage.js';
import { stage as faceApiModel } from './recognition/face-api/face-api-model.stage.js';
import { stage as frTrain } from './recognition/fr-train.stage.js';
import { stage as similarityBucketing } from './similarity/similarity-bucketing.stage.js';

// Each declaration knows its own settings' type; here they are what their schemas admit.
const declarations = [
  centerCompute,
  command,
  diffusionTrain,
  evaluate,
  faceApiModel,
  facesImport,
  facesRender,
  frTrain,
  generate,
  quality,
  similarityBucketing,
  verificationPairs,
] as unknown as StageDeclaration[];

const byKind = new Map(declarations.map((declaration) => [declaration.kind, declaration]));

export const registry = {
  get: (kind: string): StageDeclaration | undefined => byKind.get(kind),
  /** Names of all kinds. */
  kinds: (): string[] => [...byKind.keys()].sort(),
};

/** How much work settings ask for, for the forecast. */
export { workOf, type WorkMeasure } from './work.js';

/** How much memory, where settings tell. */
export { memoryOf } from './memory.js';

/** What tensors can be computed on here, for `cemiflow doctor`. Loads the tensor libraries, which takes seconds. */
export async function probeDevices() {
  const { probeDevices: probe } = await import('./tensors/device.js');
  return probe();
}
