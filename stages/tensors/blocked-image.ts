/**
 * Images in the layout that ONNX Runtime's CPU convolutions are fastest in: channels in blocks as wide as a vector register,
 * [N, C / b, H, W, b], which its operators (domain com.microsoft.nchwc) call [N, C, H, W]; a last block that is not full is filled up.
 */
import type { Graph } from './graph.js';

/** The domain of ONNX Runtime's operators on blocks. */
export const NCHWC = 'com.microsoft.nchwc';

/** Images, channels, rows, columns. */
export type ImageDims = readonly [number, number, number, number];

/** Whether so many channels can be brought into blocks, and would fill one. */
export function fillsBlocks(graph: Graph, channels: number): boolean {
  const { block } = graph.target;
  return block !== 0 && channels >= block && channels % 4 === 0;
}

/** NCHW or, with the channels `last`, NHWC into blocks. */
export function intoBlocks(graph: Graph, image: string, { last = false } = {}): string {
  return graph.emit('ReorderInput', [image], last ? { channels_last: 1 } : {}, NCHWC);
}

/** Blocks into NCHW or, with the channels `last`, NHWC. */
export function fromBlocks(graph: Graph, blocks: string, channels: number, { last = false } = {}): string {
  return graph.emit('ReorderOutput', [blocks], last ? { channels, channels_last: 1 } : { channels }, NCHWC);
}

/** Zeros behind each axis, up to the wanted lengths. */
export function padded(
  graph: Graph,
  name: string,
  shape: readonly number[],
  wanted: readonly number[],
): string {
  const more = wanted.map((length, axis) => length - shape[axis]!);
  if (more.every((count) => count === 0)) return name;
  return graph.emit('Pad', [name, graph.int64([...shape.map(() => 0), ...more])]);
}

/** The next multiple of `block`. */
export function up(count: number, block: number): number {
  return Math.ceil(count / block) * block;
}

/** How an image can be made; it is made when it is first asked for. */
interface Makers {
  /** In blocks. */
  blocks: () => string;
  /** NCHW; left out where that would come out of the blocks. */
  plain?: () => string;
  /** In blocks, with others added that are in blocks. */
  sum?: (others: string) => string;
}

/** An image that is to be had in blocks, and as NCHW. What lies in the places that fill up its last block is finite and means nothing. */
export class BlockedImage {
  #plain: string | undefined;
  #blocks: string | undefined;

  /** @param dims NCHW, with the channels that mean something */
  constructor(
    readonly graph: Graph,
    readonly dims: ImageDims,
    private readonly make: Makers,
  ) {}

  /** One that has been made in blocks. */
  static of(graph: Graph, dims: ImageDims, blocks: string): BlockedImage {
    return new BlockedImage(graph, dims, { blocks: () => blocks });
  }

  /** Whether to have it in blocks costs no reordering. */
  get isInBlocks(): boolean {
    return this.#blocks !== undefined || !this.make.plain;
  }

  /** As its operators call the shape: with all channels of the blocks. */
  get blockedDims(): ImageDims {
    const [images, channels, ...pixels] = this.dims;
    return [images, up(channels, this.graph.target.block), ...pixels];
  }

  /** The name of the array in blocks. */
  get blocks(): string {
    this.#blocks ??= this.#plain === undefined ? this.make.blocks() : intoBlocks(this.graph, this.#plain);
    return this.#blocks;
  }

  /** The name of the NCHW array. */
  get plain(): string {
    this.#plain ??= this.isInBlocks ? fromBlocks(this.graph, this.blocks, this.dims[1]) : this.make.plain!();
    return this.#plain;
  }

  /** The name of the NHWC array. */
  get channelsLast(): string {
    return fromBlocks(this.graph, this.blocks, this.dims[1], { last: true });
  }

  /** What an operator makes of it that keeps its shape. */
  mapped(blocks: string): BlockedImage {
    return BlockedImage.of(this.graph, this.dims, blocks);
  }

  /** The sum with another of its shape: a convolution that is not yet made adds it itself. */
  plus(other: BlockedImage): BlockedImage {
    for (const [image, added] of [
      [this, other],
      [other, this],
    ] as const)
      if (image.make.sum && image.#blocks === undefined && image.#plain === undefined)
        return image.mapped(image.make.sum(added.blocks));
    return this.mapped(this.graph.emit('Add', [this.blocks, other.blocks]));
  }

  /**
   * The axes of an array that is another view of the NCHW image: which of them its images, channels and pixels were cut into.
   * @param dims of the view, as it lies in memory
   * @returns    the first axis of channels and the first of pixels; undefined where an axis is of both
   */
  cuts(dims: readonly number[]): [channels: number, pixels: number] | undefined {
    const [images, channels] = this.dims;
    const upTo = (from: number, elements: number): number => {
      let count = 1;
      for (let axis = from; axis <= dims.length; count *= dims[axis++]!) if (count === elements) return axis;
      return -1;
    };
    const first = upTo(0, images);
    const second = first < 0 ? -1 : upTo(first, channels);
    return second < 0 ? undefined : [first, second];
  }
}
