/**
 * Who somebody is: everything about a face that stays the same from picture to picture.
 *
 * Lengths are in units of 100 mm of a head whose pupils lie at y = 0 (y points down, x to the picture's right, z to the camera),
 * so that 0.32 is half the distance between two pupils. More than sixty independent random numbers make a person; origin and sex
 * shift their means, so that people look like people of some origin, without a sharp line between any two.
 */
import { Random } from '../../tensors/random.js';
import { clamp, mix } from './curves.js';
import { along, HAIR, ORIGINS, SKIN } from './origins.js';

export type HairStyle =
  'bald' | 'buzz' | 'short' | 'parted' | 'fringe' | 'curly' | 'afro' | 'bob' | 'long' | 'back';
export type BeardStyle = 'none' | 'stubble' | 'moustache' | 'goatee' | 'full';

export interface Person {
  /** -1 womanly .. 1 manly, continuous with two peaks. */
  sex: number;
  /** Age in an ordinary picture, years. */
  age: number;
  // Shape of the head
  width: number;
  length: number;
  jaw: number;
  chinWidth: number;
  chinOut: number;
  cheekbone: number;
  fullness: number;
  temple: number;
  foreheadSlope: number;
  browRidge: number;
  midfaceOut: number;
  // Eyes
  eyeX: number;
  eyeWidth: number;
  eyeUpper: number;
  eyeLower: number;
  eyeTilt: number;
  eyeDepth: number;
  lidCrease: number;
  lidPeak: number;
  lashes: number;
  irisRadius: number;
  iris: readonly [number, number, number];
  // Brows
  browY: number;
  browThick: number;
  browArch: number;
  browTilt: number;
  browInner: number;
  browOuter: number;
  browDense: number;
  // Nose
  noseTip: number;
  noseWidth: number;
  bridgeHeight: number;
  bridgeWidth: number;
  noseHump: number;
  noseOut: number;
  tipSize: number;
  tipUp: number;
  nostril: number;
  // Mouth
  mouthY: number;
  mouthWidth: number;
  upperLip: number;
  lowerLip: number;
  cupid: number;
  mouthCurve: number;
  lipTint: number;
  teeth: number;
  // Ears
  earSize: number;
  earOut: number;
  // Skin
  skin: readonly [number, number, number];
  melanin: number;
  rosiness: number;
  freckles: number;
  shine: number;
  eyeShadow: number;
  moles: readonly { x: number; y: number; size: number; dark: number }[];
  /** How strongly wrinkles come with age. */
  lining: number;
  makeup: number;
  // Hair
  hairStyle: HairStyle;
  hair: readonly [number, number, number];
  hairline: number;
  recession: number;
  peak: number;
  partSide: number;
  hairVolume: number;
  hairLength: number;
  wave: number;
  /** Age at which half of the hair is gray. */
  grayAge: number;
  beard: BeardStyle;
  beardDense: number;
  beardDark: number;
  // A face is never quite symmetric
  skew: number;
  browSkew: number;
  noseSkew: number;
  /** The frames this person wears when wearing glasses: 0 round .. 1 square, size, thickness, colour. */
  frames: { square: number; size: number; thick: number; tint: number };
  /** Seeds the texture of skin and hair. */
  texture: number;
}

/** What a matched stranger shares with somebody: see `personOf`. */
export interface Likeness {
  sex: number;
  age: number;
  origin: number;
  second: number;
  blend: number;
}

/**
 * The person with that number.
 *
 * @param purpose  the family of people, e.g. 'train': two purposes (or populations) have no person in common
 * @param like     draws a stranger who shares sex, age and origin with somebody
 */
export function personOf(
  seed: number,
  purpose: string,
  population: number,
  index: number,
  like?: Likeness,
): { person: Person; likeness: Likeness } {
  const random = new Random(seed, 'face identity', purpose, population, index);
  const u = (): number => random.uniform();
  /** Between -1 and 1, most often near 0; wide enough that extremes are met. */
  const bell = (): number => clamp(random.normal() * 0.5, -1.15, 1.15);

  const pick = (): number => {
    let at = u();
    for (let k = 0; k < ORIGINS.length; k++) {
      at -= ORIGINS[k]!.share;
      if (at < 0) return k;
    }
    return 0;
  };
  const drawn: Likeness = {
    sex: (u() < 0.5 ? -1 : 1) * clamp(0.72 + random.normal() * 0.28, -0.1, 1.2),
    age: 17 + 55 * (0.35 * u() + 0.65 * u() * u()),
    origin: pick(),
    second: pick(),
    blend: u() < 0.65 ? 0 : 0.5 * u(),
  };
  const tone = u();
  const hairDepth = u();
  const ways = u();
  const who = like ?? drawn;
  const { sex } = who;
  const [first, second] = [ORIGINS[who.origin]!, ORIGINS[who.second]!];
  const of = (trait: 'noseWidth' | 'bridge' | 'lips' | 'crease' | 'tilt' | 'depth' | 'cheekbone' | 'width' | 'eyes' | 'brows' | 'red' | 'lightIris'): number =>
    mix(first[trait], second[trait], who.blend); // prettier-ignore
  const range = (trait: 'melanin' | 'hair' | 'wave', t: number): number =>
    mix(mix(first[trait][0], first[trait][1], t), mix(second[trait][0], second[trait][1], t), who.blend);

  const melanin = clamp(range('melanin', tone) + 0.03 * bell(), 0, 1);
  const skin = along(SKIN, melanin);
  const undertone = bell(); // rosy .. golden
  const olive = bell();
  const light = 1 + 0.04 * bell();
  skin[0] *= (1 - 0.01 * undertone - 0.015 * olive) * light;
  skin[1] *= (1 + 0.012 * undertone + 0.008 * olive) * light;
  skin[2] *= (1 - 0.04 * undertone - 0.03 * olive - 0.01) * light;

  const hairTone = range('hair', hairDepth * (0.4 + 0.6 * hairDepth));
  const hair = along(HAIR, hairTone);
  const ginger = u() < of('red') * 0.35 ? 0.4 + 0.6 * u() : 0;
  hair[0] = mix(hair[0], 0.52 + 0.2 * hairTone, ginger);
  hair[1] = mix(hair[1], 0.25 + 0.13 * hairTone, ginger);
  hair[2] = mix(hair[2], 0.11 + 0.08 * hairTone, ginger);
  const dyed = u();
  if (sex < 0 && dyed < 0.1) {
    const dye = along(HAIR, 0.4 + 5 * dyed);
    hair[0] = dye[0];
    hair[1] = dye[1];
    hair[2] = dye[2];
  }
  const wave = clamp(range('wave', u()), 0, 1);

  const lightEyes = u() < of('lightIris');
  const shade = u();
  const kind = u();
  const iris: [number, number, number] = lightEyes
    ? kind < 0.5
      ? [0.34 + 0.16 * shade, 0.47 + 0.14 * shade, 0.6 + 0.14 * shade]
      : kind < 0.75
        ? [0.37 + 0.1 * shade, 0.43 + 0.1 * shade, 0.28 + 0.08 * shade]
        : [0.5 + 0.1 * shade, 0.38 + 0.08 * shade, 0.22]
    : [0.17 + 0.17 * shade, 0.1 + 0.1 * shade, 0.065 + 0.05 * shade];

  const styles: readonly (readonly [HairStyle, number])[] =
    sex > 0
      ? [['bald', who.age > 35 ? 0.1 : 0.03], ['buzz', 0.16], ['short', 0.36], ['parted', 0.2], ['fringe', 0.1],
         ['curly', 0.06 + 0.14 * wave], ['afro', wave > 0.75 ? 0.12 : 0], ['long', 0.05], ['back', 0.07]] // prettier-ignore
      : [['buzz', wave > 0.75 ? 0.05 : 0.01], ['short', 0.07], ['parted', 0.08], ['fringe', 0.14], ['curly', 0.05 + 0.2 * wave],
         ['afro', wave > 0.75 ? 0.3 : 0], ['bob', 0.2], ['long', 0.36], ['back', 0.2]]; // prettier-ignore
  let at = ways * styles.reduce((sum, [, weight]) => sum + weight, 0);
  let hairStyle: HairStyle = 'short';
  for (const [style, weight] of styles) {
    at -= weight;
    if (at < 0) {
      hairStyle = style;
      break;
    }
  }

  const beardWay = u();
  const beard: BeardStyle =
    sex < 0.25 || beardWay < 0.46
      ? 'none'
      : beardWay < 0.64
        ? 'stubble'
        : beardWay < 0.72
          ? 'moustache'
          : beardWay < 0.83
            ? 'goatee'
            : 'full';

  const man = clamp(sex, -1, 1);
  const moles = Array.from({ length: Math.max(0, random.int(5) - 2) }, () => ({
    x: (u() < 0.5 ? -1 : 1) * (0.12 + 0.42 * u()),
    y: u() < 0.25 ? -0.3 - 0.25 * u() : 0.18 + 0.8 * u(),
    size: 0.012 + 0.016 * u() * u(),
    dark: 0.4 + 0.4 * u(),
  }));

  const person: Person = {
    sex,
    age: who.age,
    width: 1 + 0.075 * bell() + 0.025 * of('width') + 0.015 * man,
    length: 1 + 0.075 * bell() + 0.02 * man,
    jaw: 1 + 0.13 * bell() + 0.07 * man,
    chinWidth: 1 + 0.28 * bell() + 0.16 * man,
    chinOut: 0.05 + 0.06 * bell() + 0.01 * man,
    cheekbone: 0.045 + 0.035 * bell() + 0.015 * of('cheekbone'),
    fullness: bell() - 0.15 * man,
    temple: 1 + 0.05 * bell(),
    foreheadSlope: 0.05 * bell() + 0.03 * man,
    browRidge: 0.024 + 0.024 * bell() + 0.022 * man,
    midfaceOut: 0.03 * bell(),
    eyeX: 0.32 + 0.034 * bell(),
    eyeWidth: 0.17 + 0.021 * bell() + 0.007 * of('eyes') - 0.004 * man,
    eyeUpper: 0.08 + 0.02 * bell() + 0.009 * of('eyes') - 0.008 * man - 0.008 * Math.max(0, -of('crease')),
    eyeLower: 0.052 + 0.013 * bell(),
    eyeTilt: 0.09 + 0.13 * bell() + 0.09 * of('tilt') - 0.03 * man,
    eyeDepth: 0.06 + 0.03 * bell() + 0.022 * of('depth') + 0.008 * man,
    lidCrease: clamp(0.5 + 0.5 * bell() + 0.5 * of('crease'), 0, 1),
    lidPeak: 0.35 * bell(),
    lashes: clamp(0.45 - 0.3 * man + 0.25 * bell(), 0.1, 1),
    irisRadius: 0.07 + 0.007 * bell(),
    iris,
    browY: -0.205 + 0.042 * bell() + 0.025 * man,
    browThick: 0.036 + 0.013 * bell() + 0.009 * man + 0.006 * of('brows'),
    browArch: 0.05 + 0.042 * bell() - 0.022 * man,
    browTilt: 0.02 + 0.14 * bell(),
    browInner: 0.135 + 0.045 * bell() - 0.012 * of('brows'),
    browOuter: 0.52 + 0.045 * bell(),
    browDense: clamp(0.78 + 0.25 * bell() + 0.1 * man + 0.1 * of('brows'), 0.35, 1),
    noseTip: 0.39 + 0.05 * bell() + 0.01 * man,
    noseWidth: 0.158 + 0.024 * bell() + 0.034 * of('noseWidth') + 0.008 * man,
    bridgeHeight: 0.085 + 0.03 * bell() + 0.03 * of('bridge'),
    bridgeWidth: 0.105 + 0.02 * bell() + 0.012 * of('noseWidth'),
    noseHump: 0.028 * bell() + 0.008 * man + 0.01 * of('bridge'),
    noseOut: 0.235 + 0.04 * bell() - 0.012 * of('noseWidth') + 0.02 * man,
    tipSize: 0.105 + 0.022 * bell() + 0.014 * of('noseWidth'),
    tipUp: bell() - 0.2 * man,
    nostril: 0.5 + 0.4 * bell(),
    mouthY: 0.735 + 0.045 * bell() + 0.01 * man,
    mouthWidth: 0.262 + 0.04 * bell() + 0.01 * man + 0.01 * of('lips'),
    upperLip: 0.062 + 0.02 * bell() + 0.016 * of('lips') - 0.007 * man,
    lowerLip: 0.078 + 0.022 * bell() + 0.017 * of('lips') - 0.007 * man,
    cupid: 0.5 + 0.5 * bell(),
    mouthCurve: 0.14 * bell(),
    lipTint: bell(),
    teeth: 0.82 + 0.1 * bell(),
    earSize: 0.28 + 0.045 * bell() + 0.015 * man,
    earOut: 0.4 + 0.3 * bell(),
    skin,
    melanin,
    rosiness: clamp(0.45 + 0.5 * bell(), 0, 1),
    freckles: u() < 0.25 * (1 - melanin) + 0.3 * ginger ? (0.3 + 0.7 * u()) * (1 - melanin) : 0,
    shine: 0.5 + 0.5 * bell(),
    eyeShadow: clamp(0.4 + 0.5 * bell(), 0, 1),
    moles,
    lining: 1 + 0.5 * bell(),
    makeup: sex < 0 && u() < 0.55 ? 0.3 + 0.7 * u() : 0,
    hairStyle,
    hair,
    hairline: -0.66 + 0.09 * bell(),
    recession: clamp(0.25 + 0.5 * bell() + 0.2 * man, 0, 1) * (sex > 0 ? 1 : 0.3),
    peak: bell(),
    partSide: u() < 0.5 ? -1 : 1,
    hairVolume: 1 + 0.45 * bell(),
    hairLength: clamp(0.5 + 0.5 * bell(), 0, 1),
    wave,
    grayAge: 52 + 12 * bell(),
    beard,
    beardDense: 0.7 + 0.3 * u(),
    beardDark: 0.75 + 0.25 * bell(),
    skew: 0.02 * bell(),
    browSkew: 0.016 * bell(),
    noseSkew: 0.016 * bell(),
    frames: { square: u(), size: 0.2 + 0.035 * bell(), thick: 0.012 + 0.014 * u(), tint: u() },
    texture: random.int(1 << 20),
  };
  return { person, likeness: who };
}
