/**
 * What differs between two pictures of one person: pose, expression, age, light, what is worn or in the way, the camera.
 * A shot is drawn from its own random stream and never touches who is in it.
 */
import type { Random } from '../../tensors/random.js';
import { clamp, cosine, mix, sine } from './curves.js';

/** How much pictures of one person vary. Angles are in degrees, probabilities in 0..1, the rest amplitudes: 0 none, 1 in the wild. */
export interface Vary {
  yaw: number;
  pitch: number;
  roll: number;
  expression: number;
  age: number;
  light: number;
  glasses: number;
  occluders: number;
  background: number;
  framing: number;
  blur: number;
  noise: number;
}

export type Colour = readonly [number, number, number];

export type Occluder =
  | { kind: 'none' }
  | { kind: 'mask'; colour: Colour }
  | { kind: 'hat'; colour: Colour; low: number }
  /** Fingers before the face: from (x, y) in the picture, 0..1, in this direction. */
  | { kind: 'hand'; x: number; y: number; angle: number }
  | { kind: 'thing'; x: number; y: number; radius: number; colour: Colour };

export interface Shot {
  /** Radians. Positive yaw turns the face to the picture's right; positive pitch looks down. */
  yaw: number;
  pitch: number;
  roll: number;
  /** Camera distance in head units (100 mm). */
  distance: number;
  smile: number;
  mouthOpen: number;
  browRaise: number;
  frown: number;
  eyeOpen: number;
  gazeX: number;
  gazeY: number;
  pout: number;
  /** Apparent age, years. */
  age: number;
  /** Unit vector to the key light, camera axes (y down, z to the camera). */
  light: Colour;
  keyColour: Colour;
  ambientColour: Colour;
  glasses: 'none' | 'clear' | 'dark';
  occluder: Occluder;
  hairShift: number;
  background: { seed: number; a: Colour; b: Colour; kind: number; angle: number; blobs: number };
  shirt: Colour;
  /** Framing jitter, template pixels (of 112) and a factor. */
  shiftX: number;
  shiftY: number;
  zoom: number;
  exposure: number;
  contrast: number;
  warmth: number;
  saturation: number;
  /** Standard deviation of the blur, template pixels. */
  blur: number;
  /** Standard deviation of the noise, 0..1. */
  noise: number;
  noiseSeed: number;
}

/** What a protocol asks of a shot beyond `vary`. Angles in radians. */
export interface Wish {
  /** Range of |yaw|. */
  yaw?: readonly [number, number];
  age?: readonly [number, number];
}

/** A muted colour, as clothes and rooms have. */
function muted(random: Random, strength: number): Colour {
  const hue = random.uniform() * 2 * Math.PI;
  const value = 0.12 + 0.75 * random.uniform();
  const chroma = strength * random.uniform() * Math.min(value, 1.1 - value);
  return [
    clamp(value + chroma * cosine(hue), 0.02, 0.98),
    clamp(value + chroma * cosine(hue - 2.1) * 0.8, 0.02, 0.98),
    clamp(value + chroma * cosine(hue + 2.1), 0.02, 0.98),
  ];
}

const DEGREE = Math.PI / 180;

/**
 * @param random  the image's own stream
 * @param usual   the person's age in an ordinary picture
 */
export function drawShot(random: Random, vary: Vary, usual: number, wish: Wish = {}): Shot {
  const u = (): number => random.uniform();
  const n = (): number => clamp(random.normal() * 0.5, -1.2, 1.2);
  const e = vary.expression;

  // Most people face the camera; the tail of the distribution reaches the largest yaw asked for.
  const turn = u() * 2 - 1;
  let yaw = vary.yaw * DEGREE * turn * (0.3 + 0.7 * turn * turn);
  if (wish.yaw) yaw = (turn < 0 ? -1 : 1) * mix(wish.yaw[0], wish.yaw[1], u());
  const pitch = vary.pitch * DEGREE * n();
  const roll = vary.roll * DEGREE * n();

  const mood = u();
  const smile = mood < 0.45 ? e * (0.35 + 0.75 * u()) : mood < 0.6 ? -e * 0.5 * u() : e * 0.3 * n();
  const talk = u();
  const mouthOpen = e * (talk < 0.3 ? 0.25 + 0.75 * u() : 0.1 * u());
  const browRaise = e * n();
  const frown = e * Math.max(0, n()) * (smile > 0.3 ? 0.2 : 1);
  const lids = u();
  const eyeOpen = 1 + e * (lids < 0.06 ? -0.9 + 0.3 * u() : lids < 0.25 ? -0.4 * u() : 0.12 * n());
  const gazeX = e * 0.9 * n();
  const gazeY = e * 0.5 * n();
  const pout = Math.max(0, n()) * e * (smile > 0.2 ? 0 : 1);

  let age = usual + vary.age * 14 * n();
  if (wish.age) age = mix(wish.age[0], wish.age[1], u());
  age = clamp(age, 16, 85);

  const around = vary.light * 1.25 * (u() * 2 - 1);
  const above = 0.45 + vary.light * 0.5 * n();
  const light: Colour = [sine(around) * cosine(above), -sine(above), cosine(around) * cosine(above)];
  const hard = clamp(0.5 + vary.light * 0.45 * n(), 0.1, 1);
  const warm = vary.light * 0.07 * n();
  const cool = vary.light * 0.06 * n();
  const key = mix(0.42, 0.98, hard);
  const ambient = mix(0.6, 0.26, hard);
  const keyColour: Colour = [key * (1 + warm), key, key * (1 - 1.3 * warm)];
  const ambientColour: Colour = [ambient * (1 + cool), ambient, ambient * (1 - 1.3 * cool)];

  const worn = u();
  const glasses = worn >= vary.glasses ? 'none' : worn < vary.glasses * 0.2 ? 'dark' : 'clear';
  const hidden = u();
  const way = u();
  const colour = muted(random, 0.5);
  const place = { x: 0.5 + 0.8 * (u() - 0.5), y: 0.6 + 0.45 * u() };
  let occluder: Occluder = { kind: 'none' };
  if (hidden < vary.occluders) {
    if (way < 0.25) occluder = { kind: 'mask', colour: u() < 0.6 ? [0.8, 0.85, 0.9] : colour };
    else if (way < 0.6) occluder = { kind: 'hat', colour, low: -0.42 - 0.12 * u() };
    else if (way < 0.85)
      occluder = { kind: 'hand', x: 0.5 + (place.x < 0.5 ? -0.33 : 0.33), y: place.y, angle: n() * 0.7 };
    else occluder = { kind: 'thing', ...place, y: place.y + 0.1, radius: 0.12 + 0.12 * u(), colour };
  }

  const b = vary.background;
  const gray: Colour = [0.55, 0.56, 0.58];
  const blend = (c: Colour): Colour => [mix(gray[0], c[0], b), mix(gray[1], c[1], b), mix(gray[2], c[2], b)];
  const background = {
    seed: random.int(1 << 20),
    a: blend(muted(random, u() < 0.2 ? 0.6 : 0.25)),
    b: blend(muted(random, u() < 0.2 ? 0.6 : 0.25)),
    kind: b > 0 ? u() : 0,
    angle: u() * 2 * Math.PI,
    blobs: Math.round(b * 5 * u()),
  };

  const soft = u();
  return {
    yaw, pitch, roll, distance: mix(7, 16, u()), smile, mouthOpen, browRaise, frown, eyeOpen, gazeX, gazeY, pout, age,
    light, keyColour, ambientColour, glasses, occluder, hairShift: n(), background,
    shirt: muted(random, 0.7),
    shiftX: vary.framing * 2.2 * n(),
    shiftY: vary.framing * 2.2 * n(),
    zoom: 1 + vary.framing * 0.05 * n(),
    exposure: 1.06 + vary.light * 0.22 * n(),
    contrast: 1 + vary.light * 0.16 * n(),
    warmth: vary.light * 0.05 * n(),
    saturation: 1 + vary.light * 0.16 * n(),
    blur: vary.blur * (soft < 0.5 ? 0.25 : 0.3 + 2.2 * u() * u()),
    noise: vary.noise * (0.004 + 0.022 * u() * u()),
    noiseSeed: random.word(),
  }; // prettier-ignore
}
