import { expect, test } from 'vitest';
import { meanLaplacian } from '../../../stages/evaluation/sharpness.js';
import { meanSimilarities } from '../../../stages/evaluation/variety.js';
import { normaliseRows } from '../../../stages/recognition/embed.js';
import { embeddingsOf } from '../recognition/rows.js';
import { Random } from '../../../stages/tensors/random.js';

test('similarities within and between identities, by hand', () => {
  const embeddings = Float32Array.of(1, 0, 0.6, 0.8, 0, 1);
  const { intra, inter } = meanSimilarities(embeddingsOf(embeddings, 2), Int32Array.of(0, 0, 1), 2);
  expect(intra).toBeCloseTo(0.6, 6);
  expect(inter).toBeCloseTo(0.4, 6); // (0 + 0.8) / 2
});

test('they are the means over all pairs, counted one by one', () => {
  const [count, dimension] = [30, 5];
  const rows = normaliseRows(
    new Random(1, 'rows').fillNormal(new Float32Array(count * dimension)),
    dimension,
  );
  const labels = Int32Array.from({ length: count }, (_, i) => i % 7);
  const sums = { intra: [0, 0], inter: [0, 0] };
  for (let i = 0; i < count; i++)
    for (let j = 0; j < i; j++) {
      const kind = sums[labels[i] === labels[j] ? 'intra' : 'inter'];
      for (let k = 0; k < dimension; k++) kind[0]! += rows[i * dimension + k]! * rows[j * dimension + k]!;
      kind[1]!++;
    }
  const { intra, inter } = meanSimilarities(embeddingsOf(rows, dimension), labels, 7);
  expect(intra).toBeCloseTo(sums.intra[0]! / sums.intra[1]!, 6);
  expect(inter).toBeCloseTo(sums.inter[0]! / sums.inter[1]!, 6);
});

test('one image an identity, or one identity: the mean of no pairs is no number', () => {
  expect(
    meanSimilarities(embeddingsOf(Float32Array.of(1, 0, 0, 1), 2), Int32Array.of(0, 1), 2).intra,
  ).toBeNaN();
  expect(
    meanSimilarities(embeddingsOf(Float32Array.of(1, 0, 0, 1), 2), Int32Array.of(0, 0), 1).inter,
  ).toBeNaN();
});

test('the Laplacian of a flat image is 0, of a ramp 0, of one bright pixel in 3 x 3 four times its height', () => {
  expect(meanLaplacian(new Uint8Array(75).fill(90), 5, 5)).toBe(0);
  const ramp = Uint8Array.from({ length: 75 }, (_, i) => 10 * (Math.floor(i / 3) % 5));
  expect(meanLaplacian(ramp, 5, 5)).toBe(0);
  const spot = new Uint8Array(27);
  spot.fill(50, 12, 15);
  expect(meanLaplacian(spot, 3, 3)).toBe(200);
  // Two images: the mean of both.
  expect(meanLaplacian(Uint8Array.from([...spot, ...new Uint8Array(27)]), 3, 3)).toBe(100);
});
