/** Left and right exchanged: the flip of insightface's test protocol. */

/**
 * @param images [B, height, width, 3]
 * @param into   as long, and another array
 * @returns      `into`, filled with the mirror images
 */
export function mirror<Images extends Uint8Array | Float32Array>(
  images: Images,
  width: number,
  into: Images,
): Images {
  const line = width * 3;
  for (let start = 0; start < images.length; start += line) {
    for (let x = 0; x < width; x++) {
      const from = start + x * 3;
      const to = start + (width - 1 - x) * 3;
      into[to] = images[from]!;
      into[to + 1] = images[from + 1]!;
      into[to + 2] = images[from + 2]!;
    }
  }
  return into;
}
