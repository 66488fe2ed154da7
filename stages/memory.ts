/**
 * How much memory a stage takes, from its settings alone: for the plan, where nothing like it has run yet, and to scale what another
 * batch or size of images took. Fitted to measured peaks on ONNX Runtime, from 32 px to the paper's networks at 112 px. Kept apart
 * from the declarations, as stages/work.ts is: a better estimate must not run anything again.
 */
import type { JsonObject } from './contract.js';
import { type PresetName, presets, type Shape } from './recognition/presets.js';

/** What a network costs. */
interface Cost {
  /** Numbers. */
  weights: number;
  /** Numbers that a forward pass makes of one image. */
  activations: number;
}

/** Node, TensorFlow.js and ONNX Runtime with a tiny network. */
const base = 210 * 2 ** 20;

/** How many copies of its weights and of its activations a stage holds at its peak: measured. */
const held = {
  'fr-train': { weights: 8, activations: 3.8 },
  'diffusion-train': { weights: 9, activations: 3.6 },
} as const;

/** Of E_id, whose weights stay, inside a generator's step. */
const heldOfRecogniser = { weights: 2, activations: 1.8 };

/**
 * @param recogniser settings of the fr-train that made a generator's E_id, where it is known
 * @returns bytes at the peak; undefined for kinds that take little more than their libraries, and programs
 */
export function memoryOf(
  kind: string,
  settings: JsonObject,
  edge: number,
  recogniser?: JsonObject,
): number | undefined {
  const cost =
    kind === 'fr-train'
      ? iresnetCost(shapeOf(settings), edge)
      : kind === 'diffusion-train'
        ? unetCost(settings['unet'] as unknown as UnetShape, edge)
        : undefined;
  const batch = settings['batch'];
  if (!cost || typeof batch !== 'number') return undefined;
  const bytesOf = ({ weights, activations }: Cost, copies: Cost) =>
    4 * (copies.weights * weights + copies.activations * batch * activations);
  const guide =
    kind === 'diffusion-train' && recogniser && settings['method'] !== 'unconditional'
      ? iresnetCost(shapeOf(recogniser), edge)
      : undefined;
  return (
    base + bytesOf(cost, held[kind as keyof typeof held]) + (guide ? bytesOf(guide, heldOfRecogniser) : 0)
  );
}

const shapeOf = ({ backbone, network }: JsonObject): Shape | undefined =>
  backbone === 'custom'
    ? (network as unknown as Shape)
    : (presets[backbone as PresetName] as Shape | undefined);

/** Six maps a block: normalised, convolved, activated and convolved again; of a stage's first block three are twice as large. */
function iresnetCost(shape: Shape | undefined, edge: number): Cost | undefined {
  if (!shape) return undefined;
  const { widths, blocks, stemStride, embeddingSize } = shape;
  let map = Math.ceil(edge / stemStride);
  let channels = widths[0]!;
  let weights = 27 * channels;
  let activations = 3 * channels * map ** 2;
  widths.forEach((width, stage) => {
    const half = Math.ceil(map / 2);
    weights += 9 * channels * width + 9 * width ** 2 + channels * width;
    activations += 3 * width * (map ** 2 + half ** 2);
    const more = blocks[stage]! - 1;
    weights += more * 18 * width ** 2;
    activations += more * 6 * width * half ** 2;
    [map, channels] = [half, width];
  });
  weights += channels * map ** 2 * embeddingSize;
  return { weights, activations };
}

interface UnetShape {
  base: number;
  multipliers: number[];
  blocks: number;
  decoder: 'full' | 'light';
}

/** Ten maps a residual block; on the way up a block more a level, or one in all, and twice the channels in. */
function unetCost(shape: UnetShape | undefined, edge: number): Cost | undefined {
  if (!shape) return undefined;
  const { multipliers, blocks, decoder } = shape;
  const up = decoder === 'full' ? blocks + 1 : 1;
  const cost: Cost = { weights: 0, activations: 0 };
  multipliers.forEach((multiplier, level) => {
    const channels = shape.base * multiplier;
    const map = Math.ceil(edge / 2 ** level);
    cost.weights += (18 * blocks + 27 * up) * channels ** 2;
    cost.activations += 10 * (blocks + up) * channels * map ** 2;
  });
  return cost;
}
