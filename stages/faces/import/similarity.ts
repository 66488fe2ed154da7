/**
 * The similarity transform (turn, scale, shift) that brings five landmarks to their places in an aligned crop, by least
 * squares: Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991, which in
 * the plane and without reflections has a closed form in complex numbers.
 */
export interface Point {
  x: number;
  y: number;
}

/** (x, y) -> (a x - b y + tx, b x + a y + ty); its scale is sqrt(a^2 + b^2). */
export interface Similarity {
  a: number;
  b: number;
  tx: number;
  ty: number;
}

/** The five points of an aligned face of 112x112 pixels, as ArcFace and all who follow it use: eyes, nose, corners of the mouth. */
export const arcfaceTemplate: readonly Point[] = [
  { x: 38.2946, y: 51.6963 },
  { x: 73.5318, y: 51.5014 },
  { x: 56.0252, y: 71.7366 },
  { x: 41.5493, y: 92.3655 },
  { x: 70.7299, y: 92.2041 },
];
/** Edge of the crop that the template is given for. */
export const templateSize = 112;

/** The least-squares similarity from `from` to `to`. Points that all coincide have none: a RangeError. */
export function fitSimilarity(from: readonly Point[], to: readonly Point[]): Similarity {
  const n = from.length;
  const centre = (points: readonly Point[]) => ({
    x: points.reduce((sum, p) => sum + p.x, 0) / n,
    y: points.reduce((sum, p) => sum + p.y, 0) / n,
  });
  const [f, t] = [centre(from), centre(to)];
  let [along, across, spread] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const [x, y] = [from[i]!.x - f.x, from[i]!.y - f.y];
    const [u, v] = [to[i]!.x - t.x, to[i]!.y - t.y];
    along += x * u + y * v;
    across += x * v - y * u;
    spread += x * x + y * y;
  }
  if (!(spread > 0)) throw new RangeError('the points to align coincide');
  const [a, b] = [along / spread, across / spread];
  return { a, b, tx: t.x - (a * f.x - b * f.y), ty: t.y - (b * f.x + a * f.y) };
}

export function invert({ a, b, tx, ty }: Similarity): Similarity {
  const square = a * a + b * b;
  const [c, d] = [a / square, -b / square];
  return { a: c, b: d, tx: -(c * tx - d * ty), ty: -(d * tx + c * ty) };
}

export function apply({ a, b, tx, ty }: Similarity, { x, y }: Point): Point {
  return { x: a * x - b * y + tx, y: b * x + a * y + ty };
}

export const scaleOf = ({ a, b }: Similarity): number => Math.hypot(a, b);

/**
 * The template in a crop of `size` pixels whose frame is wider than ArcFace's by `margin` of its edge on every side.
 * Coordinates are of pixel centres, as the template's, so a scale keeps the crop's corners, not the pixel 0.
 */
export function templateFor(size: number, margin: number): Point[] {
  const scale = size / (templateSize * (1 + 2 * margin));
  const shift = margin * templateSize;
  const place = (value: number) => (value + 0.5 + shift) * scale - 0.5;
  return arcfaceTemplate.map(({ x, y }) => ({ x: place(x), y: place(y) }));
}
