/**
 * Mean absolute Laplacian of images: near 0 for a blur, large for noise. As a ratio to that of real images it tells both
 * apart from faces, which similarity alone does not (pure noise passed that test).
 */

/**
 * |4 p - up - down - left - right| of each channel, mean over all inner pixels.
 * @param images uint8 [B, height, width, 3]; 3 x 3 pixels at least
 * @returns      0 .. 1020
 */
export function meanLaplacian(images: Uint8Array, width: number, height: number): number {
  const line = width * 3;
  let sum = 0;
  let count = 0;
  for (let start = 0; start < images.length; start += line * height)
    for (let y = 1; y < height - 1; y++)
      for (let i = start + y * line + 3; i < start + (y + 1) * line - 3; i++) {
        sum += Math.abs(
          4 * images[i]! - images[i - line]! - images[i + line]! - images[i - 3]! - images[i + 3]!,
        );
        count++;
      }
  return sum / count;
}
