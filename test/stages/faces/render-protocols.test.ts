import { expect, test } from 'vitest';
import { planProtocol, pairsThatFit, PROTOCOLS } from '../../../stages/faces/render/protocols.js';
import type { Vary } from '../../../stages/faces/render/shot.js';

const vary = { yaw: 50 } as Vary;
const settings = { identities: 80, perIdentity: 6, pairs: 400, folds: 10, profile: 60, pose: 42, ageGap: 30 };

test.each(PROTOCOLS)(
  '%s: folds share no person, half of each fold is one person, and no pair comes twice',
  (name) => {
    const plan = planProtocol(3, 0, name, settings, vary);
    expect(plan.orders).toHaveLength(80 * 6);
    expect(plan.same).toHaveLength(400);
    const foldOf = new Map<number, number>();
    const positives = new Array<number>(10).fill(0);
    const seen = new Set<string>();
    for (let k = 0; k < 400; k++) {
      const [p, q] = [plan.pairs[2 * k]!, plan.pairs[2 * k + 1]!];
      const [a, b] = [plan.orders[p]!.person, plan.orders[q]!.person];
      expect(p).not.toBe(q);
      expect(plan.same[k]).toBe(a === b ? 1 : 0);
      for (const person of [a, b]) {
        expect(foldOf.get(person) ?? plan.folds[k]).toBe(plan.folds[k]);
        foldOf.set(person, plan.folds[k]!);
      }
      positives[plan.folds[k]!]! += plan.same[k]!;
      seen.add(`${p} ${q}`);
    }
    expect(positives).toEqual(new Array(10).fill(20));
    expect(seen.size).toBe(400);
    expect(planProtocol(3, 0, name, settings, vary)).toEqual(plan);
    expect(planProtocol(4, 0, name, settings, vary).pairs).not.toEqual(plan.pairs);
  },
);

test('frontal_profile pairs a frontal picture with a profile one, age_gap a young with an old one', () => {
  const degrees = (name: 'frontal_profile' | 'cross_pose'): [number, number][] => {
    const { orders, pairs } = planProtocol(3, 0, name, settings, vary);
    return Array.from({ length: 400 }, (_, k) =>
      [0, 1].map((i) => (orders[pairs[2 * k + i]!]!.wish!.yaw![1] * 180) / Math.PI).sort((a, b) => a - b),
    ) as [number, number][];
  };
  for (const [low, high] of degrees('frontal_profile')) {
    expect(low).toBeCloseTo(10);
    expect(high).toBeCloseTo(72);
  }
  for (const [low, high] of degrees('cross_pose')) {
    expect(low).toBeCloseTo(20);
    expect(high).toBeCloseTo(57);
  }
  const { orders, pairs } = planProtocol(3, 0, 'age_gap', settings, vary);
  for (let k = 0; k < 400; k++)
    expect([0, 1].map((i) => orders[pairs[2 * k + i]!]!.wish!.age![0]).sort()).toEqual([20, 50]);
});

test('cross_age and cross_pose take their strangers among lookalikes; one person of cross_age is young and old', () => {
  for (const name of ['cross_age', 'cross_pose'] as const) {
    const { orders, pairs, same } = planProtocol(3, 0, name, settings, vary);
    for (let k = 0; k < 400; k++) {
      const [one, other] = [orders[pairs[2 * k]!]!, orders[pairs[2 * k + 1]!]!];
      expect(one.lookalikes).toBe(4);
      expect(one.person >> 2).toBe(other.person >> 2);
      if (name === 'cross_age' && same[k] === 1) expect(one.wish!.age![0]).not.toBe(other.wish!.age![0]);
    }
  }
});

test('the largest number of pairs that fit can be drawn', () => {
  const most = pairsThatFit(80, 6, 10);
  expect(most).toBe(2 * 10 * 8 * 9); // 8 people a fold, 3 x 3 pairs of a first and a second picture, as many negatives
  expect(planProtocol(3, 0, 'frontal_profile', { ...settings, pairs: most }, vary).same).toHaveLength(most);
});
