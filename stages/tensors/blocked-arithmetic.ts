/**
 * Sums over the pixels of an image in blocks, a x + b of its channels, and sums of such images: in passes that ONNX Runtime shares among
 * threads, where the same on NCHW takes a reordering before and after, and its BatchNormalization one thread. And a x + b of what does not lie in
 * blocks, by the same operator.
 */
import { BlockedImage, fillsBlocks, type ImageDims, intoBlocks, NCHWC, padded } from './blocked-image.js';
import { sameDims } from './graph.js';
import { axesOf, broadcast, sizeOf, Symbolic } from './symbol.js';
import { imageAxes, inOrder } from './views.js';

/** The physical order of a logical NHWC image that lies as NCHW. */
const NCHW: readonly number[] = [0, 3, 1, 2];

/** A filter over so many pixels adds them up one after the other; with more, rows are added up first, which rounds less. */
const MOST_IN_A_SUM = 2 ** 11;

/** An image whose every channel of every image is a channel of one, so that a depthwise convolution has a filter for each. */
function asOne([images, channels, ...pixels]: ImageDims): ImageDims {
  return [1, images * channels, ...pixels];
}

function depthwise(channels: number, kernel: readonly [number, number]) {
  const attributes = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] };
  return { ...attributes, group: channels, kernel_shape: [...kernel] };
}

/**
 * The mean over all pixels of an image, or of the products of two, and perhaps over neighbouring channels: one pass over memory, nothing written.
 * @param value  a view of an image, or the product of two of the same view
 * @param axes   logical axes to be reduced; those of pixels must be among them, perhaps the last of channels, none of images
 * @returns      with 1 for the axes; undefined where this is no such mean
 */
export function meanOverPixels(value: Symbolic, axes: readonly number[]): Symbolic | undefined {
  const [a, b] = value.factors ?? [value];
  const { graph, shape, dtype, image } = a;
  const parts = imageAxes(a);
  if (!image || !parts || !parts.pixels.every((axis) => shape[axis] === 1 || axes.includes(axis)))
    return undefined;
  if (b && !(image.isInBlocks && sameDims(b.order, a.order) && b.image?.isInBlocks)) return undefined;
  const kept = [...parts.images, ...parts.channels].filter((axis) => !axes.includes(axis));
  const reduced = parts.channels.slice(kept.length - parts.images.length);
  if (!reduced.every((axis) => axes.includes(axis))) return undefined;

  const [images, channels] = image.dims;
  const blocked = image.blockedDims;
  let name = b ? productsOverPixels(image, b.image!) : meansOfPixels(image);
  if (channels < blocked[1])
    name = graph.emit('Slice', [name, ...[0, channels, 1].map((k) => graph.int64([k]))]);
  // Neighbours among the channels as a product: several times as fast as a reduction of so little.
  const neighbours = sizeOf(reduced.map((axis) => shape[axis]!));
  const weight = 1 / (neighbours * (b ? blocked[2] * blocked[3] : 1));
  const weights = graph.constant(new Float32Array(neighbours).fill(weight), [neighbours, 1], 'float32');
  const means = shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
  // In logical order if that is the same, for what is done to them next.
  const isSorted = means.at(-1) === 1 && kept.every((axis, i) => i === 0 || kept[i - 1]! < axis);
  const order = isSorted ? axesOf(shape.length) : a.order;
  const rows = [...order.slice(0, -1).map((axis) => means[axis]!), neighbours];
  const product = graph.emit('MatMul', [graph.reshape(name, [images, channels], rows), weights]);
  return new Symbolic(graph, means, dtype, product, order);
}

/** [N, C] with all channels of the blocks. */
function meansOfPixels(image: BlockedImage): string {
  const { graph } = image;
  const [rows, apart] = rowsApart(image);
  const means = graph.emit(
    'GlobalAveragePool',
    [graph.reshape(image.blocks, image.blockedDims, apart)],
    {},
    NCHWC,
  );
  return joined(image, means, rows, 'ReduceMean');
}

/** Sums of the products of pixels, [N, C] with all channels of the blocks: one image is the filter of the other. */
function productsOverPixels(image: BlockedImage, other: BlockedImage): string {
  const { graph, blockedDims } = image;
  const [rows, apart] = rowsApart(image);
  const [, all, ...kernel] = apart;
  const filter = graph.reshape(other.blocks, blockedDims, [all, 1, ...kernel]);
  const inputs = [graph.reshape(image.blocks, blockedDims, apart), filter];
  return joined(image, graph.emit('Conv', inputs, depthwise(all, kernel), NCHWC), rows, 'ReduceSum');
}

/** In how many pieces an image's pixels are summed, and its shape with these as channels: [N, C / b, H, W, b] is also [N, C / b H, 1, W, b]. */
function rowsApart({ blockedDims: [images, channels, height, width] }: BlockedImage): [number, ImageDims] {
  const rows = height * width > MOST_IN_A_SUM ? height : 1;
  return [rows, [1, images * channels * rows, height / rows, width]];
}

function joined({ graph, blockedDims }: BlockedImage, name: string, rows: number, op: string): string {
  const [images, channels] = blockedDims;
  if (rows === 1) return graph.reshape(name, [1, images * channels, 1, 1], [images, channels]);
  const { block } = graph.target;
  const pieces = [(images * channels) / block, rows, block];
  const apart = graph.reshape(name, [1, images * channels * rows, 1, 1], pieces);
  const whole = graph.emit(op, [apart, graph.int64([1])], { keepdims: 1 });
  return graph.reshape(whole, [pieces[0]!, 1, block], [images, channels]);
}

/**
 * map factor + term, where both are numbers of a channel of an image: a depthwise convolution of 1 x 1.
 * @param factor  of the map's rank, as `term`
 * @returns       undefined where the map is not in blocks, or they are not of channels
 */
export function affineInBlocks(map: Symbolic, factor: Symbolic, term: Symbolic): Symbolic | undefined {
  const { graph, image, order, shape } = map;
  const parts = imageAxes(map);
  if (!image?.isInBlocks || !parts) return undefined;
  if (parts.pixels.some((axis) => factor.shape[axis] !== 1 || term.shape[axis] !== 1)) return undefined;
  const dims = image.blockedDims;
  const one = asOne(dims);
  const whole = shape.map((dim, axis) => (parts.pixels.includes(axis) ? 1 : dim));
  const ofChannels = (value: Symbolic, filter: readonly number[]): string => {
    const given = [dims[0], image.dims[1]];
    const physical = order.map((axis) => whole[axis]!);
    const rows = graph.reshape(inOrder(broadcast(value, whole), order), physical, given);
    return graph.reshape(padded(graph, rows, given, dims.slice(0, 2)), dims.slice(0, 2), filter);
  };
  const inputs = [
    graph.reshape(image.blocks, dims, one),
    ofChannels(factor, [one[1], 1, 1, 1]),
    ofChannels(term, [one[1]]),
  ];
  const name = graph.emit('Conv', inputs, depthwise(one[1], [1, 1]), NCHWC);
  return new Symbolic(graph, shape, map.dtype, image.mapped(graph.reshape(name, one, dims)), order);
}

/**
 * map factor + term, or + sum, for a map that lies as [outer, inner, run], with a factor for each of the inner ones: neighbours in a run are taken for the
 * channels of a block, all with the same filter, in a depthwise convolution of 1 x 1.
 * @param factor  name of an array [inner]
 * @param added   `term`: name of an array [inner]; `sum`: of one as large as the map, which lies as the map does
 * @returns       undefined where runs are no whole blocks
 */
export function affineInRuns(
  { graph, name, shape, physicalShape, dtype, order }: Symbolic,
  [outer, inner, run]: readonly [number, number, number],
  factor: string,
  added: { term: string } | { sum: string },
): Symbolic | undefined {
  const { block } = graph.target;
  if (block === 0 || run % block !== 0) return undefined;
  const channels = inner * block;
  const ones = graph.constant(new Float32Array(block).fill(1), [1, block], 'float32');
  const image = [outer, channels, 1, run / block];
  const ofChannels = (numbers: string, filter: readonly number[]): string => {
    // As a product: several times as fast as Expand.
    const column = graph.reshape(numbers, [inner], [inner, 1]);
    return graph.reshape(graph.emit('MatMul', [column, ones]), [inner, block], filter);
  };
  const ofPixels = (map: string): string => graph.reshape(map, physicalShape, image);
  const inputs = [
    ofPixels(name),
    ofChannels(factor, [channels, 1, 1, 1]),
    ...('sum' in added ? ['', ofPixels(added.sum)] : [ofChannels(added.term, [channels])]),
  ];
  const convolved = graph.emit('Conv', inputs, depthwise(channels, [1, 1]), NCHWC);
  return new Symbolic(graph, shape, dtype, graph.reshape(convolved, image, physicalShape), order);
}

/** a + b where one of them is in blocks. */
export function addInBlocks(a: Symbolic, b: Symbolic): Symbolic | undefined {
  if (a.base || b.base || !sameDims(a.shape, b.shape)) return undefined;
  const [leading, other] = a.image?.isInBlocks ? [a, b] : [b, a];
  const { image, graph, shape, dtype, order } = leading;
  if (!image?.isInBlocks) return undefined;
  const summand = alike(other, leading);
  return summand && new Symbolic(graph, shape, dtype, image.plus(summand), order);
}

/** The value as an image of which the view `like` is one. */
function alike(value: Symbolic, like: Symbolic): BlockedImage | undefined {
  const { graph, order, shape } = like;
  const image = like.image!;
  if (value.image && sameDims(value.order, order) && sameDims(value.image.dims, image.dims))
    return value.image;
  const parts = imageAxes(like);
  if (!parts) return undefined;
  const [images, channels, ...pixels] = image.dims;
  const last = [...parts.images, ...parts.pixels, ...parts.channels];
  const long = (axes: readonly number[]): number[] => axes.filter((axis) => shape[axis] !== 1);
  const isLast = sameDims(long(value.order), long(last));
  const name = inOrder(value, isLast ? last : order);
  const physical = (isLast ? last : order).map((axis) => shape[axis]!);
  const dims = isLast ? [images, ...pixels, channels] : image.dims;
  return image.mapped(intoBlocks(graph, graph.reshape(name, physical, dims), { last: isLast }));
}

/** The image that an NHWC tensor is, as it lies, where it is in blocks. */
export function imageOf({ image, order, physicalShape }: Symbolic): BlockedImage | undefined {
  const isWhole = sameDims(order, NCHW) && image !== undefined && sameDims(physicalShape, image.dims);
  return isWhole && image.isInBlocks ? image : undefined;
}

/** Images side by side, channel after channel; undefined where none is in blocks, or all together cannot be brought there. */
export function joinBlocks(values: readonly Symbolic[]): Symbolic | undefined {
  const leading = values.find(imageOf);
  if (!leading) return undefined;
  const { graph, shape, dtype } = leading;
  const channels = values.map((value) => value.shape[3]!);
  const [n, h, w] = shape as [number, number, number, number];
  const all = channels.reduce((sum, count) => sum + count, 0);
  if (!fillsBlocks(graph, all)) return undefined;
  const join = (names: readonly string[]): string => graph.emit('Concat', [...names], { axis: 1 });
  const plain = (): string => join(values.map((value) => inOrder(value, NCHW)));
  const blocks = (): string =>
    join(values.map((value) => imageOf(value)?.blocks ?? intoBlocks(graph, inOrder(value, NCHW))));
  const fill = channels.every((count) => count % graph.target.block === 0);
  const makers = fill ? { blocks } : { plain, blocks: () => intoBlocks(graph, plain()) };
  const image = new BlockedImage(graph, [n, all, h, w], makers);
  return new Symbolic(graph, [n, h, w, all], dtype, image, NCHW);
}
