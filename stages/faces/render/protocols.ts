/**
 * Five verification protocols in the manner of the field's benchmarks, on people of their own: which pictures to take, and which
 * pairs of them to compare. Folds share no person, and half of each fold's pairs show one person.
 *
 *   general          LFW: any two pictures
 *   frontal_profile  CFP-FP: a nearly frontal picture and a nearly profile one
 *   age_gap          AgeDB-30: years between the pictures, of any pair
 *   cross_age        CALFW: years between the pictures, of any pair; strangers of one sex and origin
 *   cross_pose       CPLFW: other poses in all pairs; strangers of one sex and origin
 *
 * Every person has as many first pictures (frontal, young) as second ones (turned, old): image < half is a first one.
 */
import { Random } from '../../tensors/random.js';
import type { Order } from './order.js';
import type { Vary } from './shot.js';

export const PROTOCOLS = ['general', 'frontal_profile', 'age_gap', 'cross_age', 'cross_pose'] as const;
export type ProtocolName = (typeof PROTOCOLS)[number];

/** People of one sex, age and origin come in groups of this many, so that negatives can be drawn among them. */
const LOOKALIKES = 4;

export interface VerificationSettings {
  identities: number;
  perIdentity: number;
  pairs: number;
  folds: number;
  profile: number;
  pose: number;
  ageGap: number;
}

export interface ProtocolPlan {
  /** One a picture: row r of the protocol's images. */
  orders: Order[];
  /** int32 [P, 2], rows. */
  pairs: Int32Array;
  same: Uint8Array;
  folds: Int32Array;
}

/** How many pairs a protocol can have at most: where a fold's pairs must all be different ones. */
export function pairsThatFit(identities: number, perIdentity: number, folds: number): number {
  const groups = Math.floor(identities / LOOKALIKES / folds);
  const half = perIdentity / 2;
  // The scarcest: a first with a second picture of one person.
  return 2 * folds * groups * LOOKALIKES * half * half;
}

/** What is asked of a picture. */
function wishOf(name: ProtocolName, second: boolean, settings: VerificationSettings): Order['wish'] {
  const degrees = Math.PI / 180;
  const around = (mean: number, spread: number): [number, number] => [
    Math.max(0, mean - spread) * degrees,
    Math.min(90, mean + spread) * degrees,
  ];
  switch (name) {
    case 'general':
      return undefined;
    case 'frontal_profile':
      return { yaw: second ? around(settings.profile, 12) : around(0, 10) };
    case 'cross_pose':
      return { yaw: second ? around(settings.pose, 15) : around(0, 20) };
    case 'age_gap':
    case 'cross_age':
      return { age: second ? [20 + settings.ageGap, 30 + settings.ageGap] : [20, 30] };
  }
}

export function planProtocol(
  seed: number,
  population: number,
  name: ProtocolName,
  settings: VerificationSettings,
  vary: Vary,
): ProtocolPlan {
  const { perIdentity, folds } = settings;
  const alike = name === 'cross_age' || name === 'cross_pose';
  const half = perIdentity / 2;
  const groups = Math.floor(settings.identities / LOOKALIKES);
  const people = groups * LOOKALIKES;
  const orders: Order[] = [];
  for (let person = 0; person < people; person++)
    for (let image = 0; image < perIdentity; image++) {
      const wish = wishOf(name, image >= half, settings);
      orders.push({
        purpose: name,
        person,
        image,
        vary,
        ...(wish ? { wish } : {}),
        lookalikes: alike ? LOOKALIKES : 1,
      });
    }

  const random = new Random(seed, 'verification pairs', name, population);
  const each = settings.pairs / folds / 2;
  const pairs: number[] = [];
  const same: number[] = [];
  const foldOf: number[] = [];
  for (let fold = 0; fold < folds; fold++) {
    // Whole groups of lookalikes go to one fold.
    const from = Math.floor((fold * groups) / folds) * LOOKALIKES;
    const to = Math.floor(((fold + 1) * groups) / folds) * LOOKALIKES;
    for (const positive of [true, false]) {
      const taken = new Set<number>();
      while (taken.size < each) {
        const a = from + random.int(to - from);
        let b = a;
        if (!positive)
          while (b === a)
            b = alike ? a - (a % LOOKALIKES) + random.int(LOOKALIKES) : from + random.int(to - from);
        let i = random.int(half);
        let j = half + random.int(half);
        if (name === 'general') {
          i = random.int(perIdentity);
          do j = random.int(perIdentity);
          while (positive && j === i);
        }
        let p = a * perIdentity + i;
        let q = b * perIdentity + j;
        if (p > q) [p, q] = [q, p];
        const key = p * people * perIdentity + q;
        if (taken.has(key)) continue;
        taken.add(key);
        pairs.push(p, q);
        same.push(positive ? 1 : 0);
        foldOf.push(fold);
      }
    }
  }
  return {
    orders,
    pairs: Int32Array.from(pairs),
    same: Uint8Array.from(same),
    folds: Int32Array.from(foldOf),
  };
}
