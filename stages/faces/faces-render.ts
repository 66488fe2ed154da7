/**
 * Stage `faces-render`: pictures of invented people in the spirit of DigiFace, as a training set, inquiry images and verification
 * protocols. Who is in a picture and how it is taken come from separate random streams, and every purpose has people of its own.
 */
import type { FacesRenderSettings } from '../../schemas/generated/stages/faces-render.js';
import type { JsonObject, StageContext } from '../contract.js';
import { ImageSetWriter } from '../data/image-set.js';
import type { SetProvenance } from '../data/provenance.js';
import { VerificationWriter } from '../data/verification-set.js';
import type { Order } from './render/order.js';
import { type Production, takePictures } from './render/production.js';
import { planProtocol, PROTOCOLS, type VerificationSettings } from './render/protocols.js';
import type { Vary } from './render/shot.js';

interface Settings {
  identities: number;
  perIdentity: number;
  size: number;
  population: number;
  vary: Vary;
  inquiry: { identities: number };
  verification: VerificationSettings;
}

/** Inquiry images are as portraits are: nearly frontal, evenly lit, nothing worn or in the way. */
const MILD: Vary = {
  yaw: 12, pitch: 6, roll: 2, expression: 0.45, age: 0.1, light: 0.45, glasses: 0, occluders: 0,
  background: 1, framing: 0.4, blur: 0.2, noise: 0.3,
}; // prettier-ignore

export async function run(context: StageContext<FacesRenderSettings>): Promise<void> {
  const settings = context.settings as Settings;
  const { seed, threads, signal } = context;
  const { size, population, vary, identities, perIdentity } = settings;
  const setting = { size, seed, population };

  const mild = Object.fromEntries(
    Object.entries(MILD).map(([name, most]) => [name, Math.min(most, vary[name as keyof Vary])]),
  ) as unknown as Vary;
  const train = {
    count: identities * perIdentity,
    order: (i: number): Order => ({
      purpose: 'train',
      person: Math.floor(i / perIdentity),
      image: i % perIdentity,
      vary,
    }),
  };
  const inquiry = {
    count: settings.inquiry.identities,
    order: (person: number): Order => ({ purpose: 'inquiry', person, image: 0, vary: mild }),
  };
  const plans =
    settings.verification.identities === 0
      ? []
      : PROTOCOLS.map((name) => ({
          name,
          ...planProtocol(seed, population, name, settings.verification, vary),
        }));

  const total = train.count + inquiry.count + plans.reduce((sum, plan) => sum + plan.orders.length, 0);
  const look = (how: Vary): JsonObject => ({ size, population, vary: { ...how } });
  const stride = size * size * 3;
  const started = performance.now();
  let done = 0;
  const take = (
    orders: Pick<Production, 'count' | 'order'>,
    note: string,
    keep: (pixels: Uint8Array, first: number) => void,
  ): Promise<void> =>
    takePictures({
      ...orders,
      setting,
      threads,
      signal,
      take(pixels, first) {
        keep(pixels, first);
        done += pixels.length / stride;
        context.progress(done, total, note);
      },
    });

  for (const [output, orders] of [
    ['images', train],
    ['inquiry', inquiry],
  ] as const) {
    const writer = ImageSetWriter.open(context.output(output), { width: size, height: size });
    await take(orders, output === 'images' ? 'training set' : 'inquiry images', (pixels, first) => {
      for (let i = 0; i * stride < pixels.length; i++)
        writer.add(pixels.subarray(i * stride, (i + 1) * stride), orders.order(first + i).person);
    });
    const isTrain = output === 'images';
    const people = isTrain ? identities : inquiry.count;
    const how: JsonObject = isTrain ? { ...look(vary), perIdentity } : look(mild);
    writer.finish({ provenance: provenance(seed, how, people, orders.count) });
  }

  const people = plans.length * settings.verification.identities;
  const images = plans.reduce((sum, plan) => sum + plan.orders.length, 0);
  const verification = new VerificationWriter(
    context.output('verification'),
    { width: size, height: size },
    provenance(seed, { ...look(vary), ...settings.verification }, people, images),
  );
  for (const { name, orders, pairs, same, folds } of plans) {
    const protocol = verification.begin(name);
    const order = (i: number): Order => orders[i]!;
    await take({ count: orders.length, order }, `protocol ${name}`, (pixels) => protocol.add(pixels));
    protocol.finish({ pairs, same, folds, identitiesDisjoint: true });
  }
  verification.finish();
  if (total > 0) context.metric('images_per_second', total / ((performance.now() - started) / 1000));
}

/** Each set states only the settings it depends on, so that a change of one leaves the others the same artifacts. */
function provenance(seed: number, settings: JsonObject, identities: number, images: number): SetProvenance {
  return {
    kind: 'faces-render',
    asked: { identities, images },
    delivered: { identities, images },
    alignment: 'rendered to the ArcFace template by the five known landmarks (least-squares similarity)',
    realData: [],
    settings,
    seed,
  };
}
