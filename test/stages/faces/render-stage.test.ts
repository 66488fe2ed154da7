import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ImageSet } from '../../../stages/data/image-set.js';
import { openVerification } from '../../../stages/data/verification-set.js';
import { stage } from '../../../stages/faces/faces-render.stage.js';
import type { Order } from '../../../stages/faces/render/order.js';
import { takePictures } from '../../../stages/faces/render/production.js';
import { bytesOf, settingsOf, StageLab } from '../recognition/stage-lab.js';

const few = {
  identities: 3,
  perIdentity: 4,
  size: 20,
  inquiry: { identities: 5 },
  verification: { identities: 16, perIdentity: 4, pairs: 32, folds: 4 },
};

/** Threads load compiled code, so they are tested in dist, which the build made from these sources. */
async function compiled(): Promise<typeof takePictures> {
  const url = new URL('../../../dist/stages/faces/render/production.js', import.meta.url);
  return ((await import(url.href)) as { takePictures: typeof takePictures }).takePictures;
}

test('renders a training set, inquiry images and five protocols, and the same bytes again', async () => {
  using lab = new StageLab();
  const reports: [number, number][] = [];
  const ran = await lab.run(stage, {
    inputs: {},
    settings: few,
    progress: (done, total) => reports.push([done, total]),
  });
  const images = ImageSet.open(ran.outputs['images']!);
  expect([images.count, images.identities, images.width]).toEqual([12, 3, 20]);
  expect([...images.labels]).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
  const inquiry = ImageSet.open(ran.outputs['inquiry']!);
  expect([...inquiry.labels]).toEqual([0, 1, 2, 3, 4]);
  expect(inquiry.info.provenance).toMatchObject({ kind: 'faces-render', realData: [], asked: { images: 5 } });
  const verification = openVerification(ran.outputs['verification']!);
  expect(verification.info.protocols.map(({ name }) => name)).toEqual([
    'general',
    'frontal_profile',
    'age_gap',
    'cross_age',
    'cross_pose',
  ]);
  for (const { name, images: count, pairs, folds, identitiesDisjoint } of verification.info.protocols) {
    expect([count, pairs, folds, identitiesDisjoint]).toEqual([64, 32, 4, true]);
    expect(verification.protocol(name).images.read([...Array(64).keys()])).toHaveLength(64 * 20 * 20 * 3);
  }
  expect(reports.at(-1)).toEqual([12 + 5 + 5 * 64, 12 + 5 + 5 * 64]);
  expect(ran.metrics.get('images_per_second')).toBeGreaterThan(0);

  const again = await lab.run(stage, { inputs: {}, settings: few });
  for (const name of ['images', 'inquiry', 'verification'])
    expect(bytesOf(again.outputs[name]!)).toEqual(bytesOf(ran.outputs[name]!));
  // A change of the protocols leaves the training set the same artifact, so that nothing trains again.
  const harder = { ...few.verification, ageGap: 40 };
  const changed = await lab.run(stage, { inputs: {}, settings: { ...few, verification: harder } });
  expect(bytesOf(changed.outputs['images']!)).toEqual(bytesOf(ran.outputs['images']!));
  expect(bytesOf(changed.outputs['verification']!)).not.toEqual(bytesOf(ran.outputs['verification']!));
  const other = await lab.run(stage, { inputs: {}, settings: few, seed: 2 });
  expect(bytesOf(other.outputs['images']!)).not.toEqual(bytesOf(ran.outputs['images']!));
});

test('inquiry and verification may be empty sets', async () => {
  using lab = new StageLab();
  const ran = await lab.run(stage, { inputs: {}, settings: { identities: 1, perIdentity: 1, size: 16 } });
  expect(ImageSet.open(ran.outputs['inquiry']!)).toMatchObject({ count: 0, identities: 0 });
  expect(openVerification(ran.outputs['verification']!).info.protocols).toEqual([]);
});

test('two threads give the bytes of one, in order', async () => {
  const built = await compiled();
  const { vary } = settingsOf(stage, { identities: 1 }) as { vary: Order['vary'] };
  const production = {
    count: 150,
    order: (i: number): Order => ({ purpose: 'train', person: i >> 4, image: i & 15, vary }),
    setting: { size: 24, seed: 1, population: 0 },
    signal: new AbortController().signal,
  };
  const run = async (take: typeof takePictures, threads: number): Promise<Uint8Array> => {
    const pixels = new Uint8Array(150 * 24 * 24 * 3);
    await take({
      ...production,
      threads,
      take: (some, first) => pixels.set(some, first * 24 * 24 * 3),
    });
    return pixels;
  };
  const one = await run(takePictures, 1);
  expect(await run(built, 2)).toEqual(one);
});

test('stops between batches when asked to, also with threads', async () => {
  using lab = new StageLab();
  const stop = new AbortController();
  const reason = new Error('Ctrl-C');
  const run = lab.run(stage, {
    inputs: {},
    settings: { identities: 1000, perIdentity: 100, size: 16 },
    signal: stop.signal,
    progress: () => stop.abort(reason),
  });
  await expect(run).rejects.toBe(reason);
  const built = await compiled();
  const { vary } = settingsOf(stage, { identities: 1 }) as { vary: Order['vary'] };
  const threads = new AbortController();
  await expect(
    built({
      count: 10_000,
      order: (image): Order => ({ purpose: 'train', person: 0, image, vary }),
      setting: { size: 16, seed: 1, population: 0 },
      threads: 2,
      signal: threads.signal,
      take: () => threads.abort(reason),
    }),
  ).rejects.toBe(reason);
});

test.each([
  [{ identities: 100, pairs: 6001 }, 'verification.pairs', 'multiple of 20'],
  [{ identities: 30 }, 'verification.identities', 'take 40 or more'],
  [{ identities: 100, perIdentity: 7 }, 'verification.perIdentity', 'odd'],
  [{ identities: 40, perIdentity: 8, pairs: 6000 }, 'verification.pairs', 'only 1280 pairs'],
  [{ identities: 100_000 }, 'verification.identities', 'take 150.5 GB of memory'], // 5 x 1e5 x 8 x 112 x 112 x 3
])('verification %j is refused with its place and the remedy', (verification, path, message) => {
  const problems = stage.check!({ identities: 1, verification });
  expect(problems).toEqual([{ path, message: expect.stringContaining(message) as string }]);
});

test('millions of pictures are ordered one batch at a time', async () => {
  using lab = new StageLab();
  const stop = new AbortController();
  const reason = new Error('enough');
  const run = lab.run(stage, {
    inputs: {},
    settings: { identities: 1_000_000, perIdentity: 10_000, size: 16 },
    signal: stop.signal,
    progress(done, total) {
      expect(total).toBe(1e10);
      if (done >= 64) stop.abort(reason);
    },
  });
  await expect(run).rejects.toBe(reason);
});

test.each([16, 33, 224])('a picture of %d px is a face in a place, not a blank', async (size) => {
  using lab = new StageLab();
  const ran = await lab.run(stage, { inputs: {}, settings: { identities: 1, perIdentity: 1, size } });
  const pixels = ImageSet.open(ran.outputs['images']!).all();
  expect(pixels).toHaveLength(size * size * 3);
  expect(new Set(pixels).size).toBeGreaterThan(60);
});

test.each([
  { size: 8 },
  { perIdentity: 0 },
  { vary: { yaw: 91 } },
  { vary: { hat: 1 } },
  { identities: 2.5 },
])('settings %j break the schema', (settings) => {
  expect(() => settingsOf(stage, { identities: 1, ...settings })).toThrow();
});

test('the schema describes every setting and gives optional ones a default', () => {
  const text = readFileSync(
    new URL('../../../schemas/stages/faces-render.schema.json', import.meta.url),
    'utf8',
  );
  const walk = (node: { properties?: Record<string, object>; required?: string[] }): void => {
    for (const [name, one] of Object.entries(node.properties ?? {})) {
      expect(one).toHaveProperty('description');
      if (!node.required?.includes(name)) expect(one).toHaveProperty('default');
      walk(one);
    }
  };
  walk(JSON.parse(text) as object);
});
