/** Left and right exchanged: the flip of training augmentation and of insightface's test protocol. */

/**
 * @param images uint8 [B, height, width, 3]
 * @param into   filled with the mirror images, where given
 * @returns the mirror images
 */
export function mirror(
  images: Uint8Array,
  width: number,
  into: Uint8Array = new Uint8Array(images.length),
): Uint8Array {
  const out = into.subarray(0, images.length);
  const line = width * 3;
  for (let start = 0; start < images.length; start += line) {
    for (let x = 0; x < width; x++) {
      const from = start + x * 3;
      const to = start + (width - 1 - x) * 3;
      out[to] = images[from]!;
      out[to + 1] = images[from + 1]!;
      out[to + 2] = images[from + 2]!;
    }
  }
  return out;
}
