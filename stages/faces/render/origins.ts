/** Where people come from: how origins differ in the means of their traits, and the ranges of skin and hair colours. */
import { clamp, mix } from './curves.js';

/** Means of the traits that differ between origins, in the latents' own units. */
interface Origin {
  share: number;
  melanin: [number, number];
  /** 0 black .. 1 blond */
  hair: [number, number];
  red: number;
  lightIris: number;
  noseWidth: number;
  bridge: number;
  lips: number;
  crease: number;
  tilt: number;
  depth: number;
  cheekbone: number;
  width: number;
  eyes: number;
  brows: number;
  wave: [number, number];
}

export const ORIGINS: readonly Origin[] = [
  { share: 0.3, melanin: [0.02, 0.3], hair: [0.05, 1], red: 0.3, lightIris: 0.6, noseWidth: -0.35, bridge: 0.5, lips: -0.35,
    crease: 0.7, tilt: -0.1, depth: 0.4, cheekbone: 0, width: -0.1, eyes: 0, brows: 0, wave: [0, 0.55] }, // prettier-ignore
  { share: 0.2, melanin: [0.1, 0.38], hair: [0, 0.12], red: 0, lightIris: 0, noseWidth: 0.15, bridge: -0.7, lips: 0,
    crease: -0.6, tilt: 0.55, depth: -0.8, cheekbone: 0.5, width: 0.4, eyes: -0.3, brows: -0.2, wave: [0, 0.15] }, // prettier-ignore
  { share: 0.16, melanin: [0.4, 0.72], hair: [0, 0.12], red: 0, lightIris: 0.05, noseWidth: 0.1, bridge: 0.3, lips: 0.15,
    crease: 0.6, tilt: 0.1, depth: 0.2, cheekbone: 0, width: -0.1, eyes: 0.45, brows: 0.5, wave: [0, 0.4] }, // prettier-ignore
  { share: 0.2, melanin: [0.62, 1], hair: [0, 0.06], red: 0, lightIris: 0, noseWidth: 0.85, bridge: -0.5, lips: 0.85,
    crease: 0.4, tilt: 0.1, depth: -0.1, cheekbone: 0.3, width: 0, eyes: 0.2, brows: -0.1, wave: [0.8, 1] }, // prettier-ignore
  { share: 0.14, melanin: [0.22, 0.52], hair: [0, 0.3], red: 0.05, lightIris: 0.15, noseWidth: 0, bridge: 0.5, lips: 0.1,
    crease: 0.5, tilt: 0, depth: 0.3, cheekbone: 0.1, width: 0, eyes: 0.2, brows: 0.6, wave: [0.1, 0.6] }, // prettier-ignore
];

/** Skin from very light to very dark, sRGB. */
export const SKIN: readonly (readonly [number, number, number])[] = [
  [0.965, 0.83, 0.765],
  [0.925, 0.765, 0.675],
  [0.86, 0.685, 0.575],
  [0.765, 0.58, 0.46],
  [0.65, 0.465, 0.355],
  [0.5, 0.345, 0.26],
  [0.37, 0.25, 0.19],
  [0.27, 0.18, 0.145],
];

/** Hair from black over brown to blond, sRGB. */
export const HAIR: readonly (readonly [number, number, number])[] = [
  [0.07, 0.06, 0.06],
  [0.16, 0.11, 0.085],
  [0.28, 0.185, 0.125],
  [0.42, 0.29, 0.19],
  [0.6, 0.45, 0.29],
  [0.78, 0.64, 0.43],
];

/** A colour of a path, t from 0 at its begin to 1 at its end. */
export function along(
  path: readonly (readonly [number, number, number])[],
  t: number,
): [number, number, number] {
  const at = clamp(t, 0, 1) * (path.length - 1);
  const k = Math.min(path.length - 2, Math.floor(at));
  const f = at - k;
  const [a, b] = [path[k]!, path[k + 1]!];
  return [mix(a[0], b[0], f), mix(a[1], b[1], f), mix(a[2], b[2], f)];
}
