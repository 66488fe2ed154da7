/** Left and right exchanged: the flip of insightface's test protocol. */

/**
 * @param images uint8 [B, height, width, 3]
 * @param into   as long, and another array
 * @returns      `into`, filled with the mirror images
 */
export function mirror(images: Uint8Array, width: number, into: Uint8Array): Uint8Array {
  const line = width * 3;
  let to = 0;
  for (let start = 0; start < images.length; start += line) {
    for (let from = start + line - 3; from >= start; from -= 3) {
      into[to] = images[from]!;
      into[to + 1] = images[from + 1]!;
      into[to + 2] = images[from + 2]!;
      to += 3;
    }
  }
  return into;
}
