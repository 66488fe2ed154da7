import { expect, test } from 'vitest';
import { TEMPLATE } from '../../../stages/faces/render/camera.js';
import { fromLinear, sine, toLinear } from '../../../stages/faces/render/curves.js';
import { personOf } from '../../../stages/faces/render/person.js';
import { FaceRenderer } from '../../../stages/faces/render/renderer.js';
import { drawShot, type Vary, type Wish } from '../../../stages/faces/render/shot.js';
import { sha256 } from './fingerprint.js';
import { Random } from '../../../stages/tensors/random.js';

const wild: Vary = {
  yaw: 50, pitch: 14, roll: 4, expression: 1, age: 0.5, light: 1, glasses: 0.12, occluders: 0.06, background: 1,
  framing: 1, blur: 1, noise: 1,
}; // prettier-ignore
const still = Object.fromEntries(Object.keys(wild).map((name) => [name, 0])) as unknown as Vary;

function picture(
  size: number,
  index: number,
  image: number,
  vary = wild,
  wish?: Wish,
  purpose = 'train',
): Uint8Array {
  const { person } = personOf(1, purpose, 0, index);
  const pixels = new Uint8Array(size * size * 3);
  const shot = drawShot(new Random(1, 'test', index, image), vary, person.age, wish);
  new FaceRenderer(size).render(person, shot, pixels);
  return pixels;
}

test('a picture is the same bytes whatever was rendered before it, and the same on every machine', () => {
  const { person } = personOf(1, 'train', 0, 3);
  const renderer = new FaceRenderer(32);
  const pixels = new Uint8Array(2 * 32 * 32 * 3);
  for (const [index, offset] of [[7, 0], [3, 32 * 32 * 3]] as const) {
    const who = personOf(1, 'train', 0, index).person;
    renderer.render(who, drawShot(new Random(1, 'test', index, 0), wild, who.age), pixels, offset);
  } // prettier-ignore
  expect(pixels.subarray(32 * 32 * 3)).toEqual(picture(32, 3, 0));
  const again = new Uint8Array(32 * 32 * 3);
  renderer.render(person, drawShot(new Random(1, 'test', 3, 0), wild, person.age), again);
  expect(again).toEqual(picture(32, 3, 0));
  // Pinned: a change of a single pixel of these twelve must be meant (cached sets become another look).
  const twelve = Array.from({ length: 12 }, (_, i) => picture(32, i >> 1, i & 1));
  expect(sha256(...twelve, picture(112, 5, 0))).toBe(
    'eec90e943190df4d1cba213967787d8e474bb7737be2b63d1b511c2af93caa5e',
  );
});

test.each([
  { name: 'in the wild', wish: {}, most: 9 },
  { name: 'frontal', wish: { yaw: [0, 0.1] as const }, most: 3.2 },
])('landmarks of faces $name fit the ArcFace template in the mean over people', ({ wish, most }) => {
  const size = 112;
  const renderer = new FaceRenderer(size);
  const pixels = new Uint8Array(size * size * 3);
  const mean = new Float64Array(10);
  let worst = 0;
  const n = 40;
  for (let i = 0; i < n; i++) {
    const { person } = personOf(1, 'train', 0, i);
    const shot = drawShot(new Random(2, 'test', i), { ...wild, framing: 0, roll: 0 }, person.age, wish);
    renderer.render(person, shot, pixels);
    const points = renderer.landmarks();
    let square = 0;
    for (let k = 0; k < 10; k++) {
      const off = points[k]! - TEMPLATE[k >> 1]![k & 1]!;
      mean[k]! += off / n;
      square += (off * off) / 5;
    }
    // A similarity by least squares brings the centers of gravity together.
    for (const axis of [0, 1]) {
      let sum = 0;
      for (let k = axis; k < 10; k += 2) sum += points[k]! - TEMPLATE[k >> 1]![axis]!;
      expect(Math.abs(sum)).toBeLessThan(1e-6);
    }
    worst = Math.max(worst, Math.sqrt(square));
  }
  // Pixels of 112, root mean square over the five points: median 2.5 in the wild, 1.7 frontal; people differ, so
  // single faces are off by more than the mean face.
  for (const off of mean) expect(Math.abs(off)).toBeLessThan(2.5);
  expect(worst).toBeLessThan(2 * most);
});

test('a face lies in the same place at every size', () => {
  const { person } = personOf(1, 'train', 0, 4);
  const shot = drawShot(new Random(2, 'test', 4), wild, person.age);
  const at = (size: number): Float64Array => {
    const renderer = new FaceRenderer(size);
    renderer.render(person, shot, new Uint8Array(size * size * 3));
    return renderer.landmarks();
  };
  const [small, large] = [at(32), at(112)];
  for (let k = 0; k < 10; k++) expect(((small[k]! + 0.5) * 112) / 32 - 0.5).toBeCloseTo(large[k]!, 6);
});

test('two pictures of one person are nearer than pictures of two people', () => {
  // Mean absolute difference of mild pictures, background left out by looking at the middle only.
  const size = 32;
  const mild = { ...still, yaw: 10, expression: 0.4, light: 0.4 };
  const people = Array.from({ length: 20 }, (_, i) => [0, 1].map((image) => picture(size, i, image, mild)));
  const distance = (a: Uint8Array, b: Uint8Array): number => {
    let sum = 0;
    for (let y = 8; y < 30; y++)
      for (let x = 3 * 9; x < 3 * 23; x++) sum += Math.abs(a[y * size * 3 + x]! - b[y * size * 3 + x]!);
    return sum / (22 * 42);
  };
  let same = 0;
  let different = 0;
  let nearest = 0;
  people.forEach(([first, second], i) => {
    const own = distance(first!, second!);
    same += own / 20;
    const others = people.flatMap(([, other], j) => (i === j ? [] : [distance(first!, other!)]));
    different += others.reduce((a, b) => a + b, 0) / others.length / 20;
    if (own < Math.min(...others)) nearest++;
  });
  expect(different).toBeGreaterThan(2 * same);
  expect(nearest).toBeGreaterThanOrEqual(14); // chance: 1 of 20
});

test('purposes, populations and seeds have people of their own, and a lookalike is somebody else', () => {
  const nose = (seed: number, purpose: string, population: number, index: number): number =>
    personOf(seed, purpose, population, index).person.noseTip;
  const seen = [
    nose(1, 'train', 0, 0),
    nose(1, 'train', 0, 1),
    nose(2, 'train', 0, 0),
    nose(1, 'inquiry', 0, 0),
    nose(1, 'train', 1, 0),
  ];
  expect(new Set(seen).size).toBe(5);
  const one = personOf(1, 'cross_age', 0, 0);
  const other = personOf(1, 'cross_age', 0, 1, one.likeness).person;
  expect(other.sex).toBe(one.person.sex);
  expect(other.age).toBe(one.person.age);
  expect(other.noseTip).not.toBe(one.person.noseTip);
  expect(other.eyeX).not.toBe(one.person.eyeX);
});

test('people are of all sorts: both sexes, all ages, skin from very light to very dark, every cut of hair and beard', () => {
  const people = Array.from({ length: 600 }, (_, i) => personOf(5, 'train', 0, i).person);
  const share = (of: (p: (typeof people)[number]) => boolean): number =>
    people.filter(of).length / people.length;
  expect(share((p) => p.sex < 0)).toBeGreaterThan(0.4);
  expect(share((p) => p.sex > 0)).toBeGreaterThan(0.4);
  expect(share((p) => p.age < 30)).toBeGreaterThan(0.25);
  expect(share((p) => p.age > 45)).toBeGreaterThan(0.15);
  expect(share((p) => p.melanin < 0.2)).toBeGreaterThan(0.15);
  expect(share((p) => p.melanin > 0.7)).toBeGreaterThan(0.1);
  expect(new Set(people.map((p) => p.hairStyle)).size).toBe(10);
  expect(new Set(people.map((p) => p.beard)).size).toBe(5);
  // Skin is skin: red above green above blue, on everybody.
  for (const { skin } of people) {
    expect(skin[0]).toBeGreaterThan(skin[1]);
    expect(skin[1]).toBeGreaterThan(skin[2]);
  }
});

test('with everything still, two pictures differ in nothing but what is behind the person and worn', () => {
  const shots = [0, 1].map((image) => drawShot(new Random(1, 'test', image), still, 30));
  for (const name of [
    'yaw',
    'pitch',
    'roll',
    'smile',
    'mouthOpen',
    'eyeOpen',
    'age',
    'exposure',
    'blur',
    'noise',
    'zoom',
  ] as const)
    expect(shots[0]![name]).toBeCloseTo(shots[1]![name], 12);
  expect(shots.map(({ glasses, occluder }) => [glasses, occluder.kind])).toEqual([
    ['none', 'none'],
    ['none', 'none'],
  ]);
});

test('a mouth opens, eyes close, and a turned head shows its profile', () => {
  const { person } = personOf(1, 'train', 0, 12);
  const size = 64;
  const renderer = new FaceRenderer(size);
  const base = drawShot(new Random(1, 'test', 0), still, 30);
  const shoot = (change: object): { pixels: Uint8Array; points: Float64Array } => {
    const pixels = new Uint8Array(size * size * 3);
    renderer.render({ ...person, hairStyle: 'short' }, { ...base, ...change }, pixels);
    return { pixels, points: renderer.landmarks() };
  };
  const lightness = ({ pixels, points }: ReturnType<typeof shoot>, k: number): number => {
    const [x, y] = [Math.round(points[2 * k]!), Math.round(points[2 * k + 1]!)];
    return pixels[(y * size + x) * 3]! + pixels[(y * size + x) * 3 + 1]! + pixels[(y * size + x) * 3 + 2]!;
  };
  // The pupil is darker than the lid that closes over it.
  expect(lightness(shoot({}), 0)).toBeLessThan(lightness(shoot({ eyeOpen: 0.05 }), 0) - 60);
  // Eyes draw together as the head turns.
  const apart = ({ points }: ReturnType<typeof shoot>): number => points[2]! - points[0]!;
  expect(apart(shoot({ yaw: 1.2 }))).toBeLessThan(0.6 * apart(shoot({})));
  const inside = (open: number): number => {
    const shot = shoot({ mouthOpen: open });
    const { points, pixels } = shot;
    const x = Math.round((points[6]! + points[8]!) / 2);
    let darkest = 765;
    for (let y = Math.round(points[7]! - 2); y < points[7]! + 5; y++)
      darkest = Math.min(
        darkest,
        pixels[(y * size + x) * 3]! + pixels[(y * size + x) * 3 + 1]! + pixels[(y * size + x) * 3 + 2]!,
      );
    return darkest;
  };
  expect(inside(1)).toBeLessThan(inside(0));
});

test('curves made of + - * / and sqrt agree with the functions they stand for', () => {
  for (let x = -7; x < 7; x += 0.37) expect(sine(x)).toBeCloseTo(Math.sin(x), 8);
  for (const c of [0.05, 0.2, 0.5, 0.8, 1]) {
    const linear = ((c + 0.055) / 1.055) ** 2.4; // sRGB, IEC 61966-2-1
    expect(Math.abs(toLinear(c) - linear)).toBeLessThan(0.004);
    expect(Math.abs(fromLinear(linear) - c)).toBeLessThan(0.01);
  }
});
