/**
 * Verification pairs drawn from photographs, as LFW's protocol has them: folds of as many matched as mismatched pairs, and no person
 * in two folds, so that a threshold chosen on some folds is tested on people it has not seen.
 */
import { StageError } from '../../contract.js';
import { Random } from '../../tensors/random.js';
import type { ListedPair } from './pair.js';

/** Folds that people can fill with nobody in two: each needs two of them, one with two photographs. */
export function mostFolds(people: readonly ArrayLike<number>[]): number {
  const matched = people.filter((photos) => photos.length > 1);
  return Math.min(Math.floor(people.length / 2), matched.length);
}

/**
 * @param people       indexes of each person's photographs
 * @param folds        wanted folds; fewer where there are fewer than two people for each
 * @param pairsPerFold wanted matched pairs of a fold, and mismatched ones; fewer where the photographs give fewer
 * @param remedy       what the user can do where two folds cannot be filled
 * @throws StageError where two folds cannot be filled
 */
export function drawPairs(
  people: readonly ArrayLike<number>[],
  folds: number,
  pairsPerFold: number,
  seed: number,
  remedy: string,
): ListedPair[] {
  const matched = people.filter((photos) => photos.length > 1);
  const count = Math.min(folds, mostFolds(people));
  if (count < 2)
    throw new StageError(
      `verification: ${people.length === 1 ? '1 person' : `${people.length} people`}, ${matched.length} with two photographs or more, do not fill two folds ` +
        'of which no person is in both; each needs two people, one of them with two photographs',
      remedy,
    );
  return deal(people, count, seed).flatMap((members, fold) => {
    const random = new Random(seed, 'verification pairs', fold);
    const same = drawMatched(members, pairsPerFold, random);
    const other = drawMismatched(members, same.length, random);
    // As many of both, so that guessing scores one half.
    const each = Math.min(same.length, other.length);
    const listed = (pairs: readonly Pair[], matched: boolean) =>
      pairs.slice(0, each).map(([first, second]) => ({ first, second, same: matched, fold }));
    return [...listed(same, true), ...listed(other, false)];
  });
}

/**
 * Pairs of people too few for folds of their own: two folds of which a person may be in both, so that accuracy flatters a little.
 *
 * @returns none where two folds of a matched and a mismatched pair cannot be filled
 */
export function drawSharedPairs(
  people: readonly ArrayLike<number>[],
  pairsPerFold: number,
  seed: number,
): ListedPair[] {
  const random = new Random(seed, 'verification pairs', 'shared');
  const same = drawMatched(people, 2 * pairsPerFold, random);
  const other = drawMismatched(people, same.length, random);
  const each = Math.min(same.length, other.length);
  const half = each >> 1;
  if (half === 0) return [];
  return [0, 1].flatMap((fold) => {
    const listed = (pairs: readonly Pair[], matched: boolean) =>
      pairs
        .slice(fold * half, (fold + 1) * half)
        .map(([first, second]) => ({ first, second, same: matched, fold }));
    return [...listed(same, true), ...listed(other, false)];
  });
}

type Pair = readonly [number, number];

/** Deals people to folds so that folds have about equally many people and matched pairs: each, the richest first, to the poorest fold. */
function deal(people: readonly ArrayLike<number>[], folds: number, seed: number): ArrayLike<number>[][] {
  const pairsOf = (photos: ArrayLike<number>) => (photos.length * (photos.length - 1)) / 2;
  const shuffled = Array.from(
    new Random(seed, 'verification folds').permutation(people.length),
    (i) => people[i]!,
  );
  const dealt = Array.from({ length: folds }, () => ({ members: [] as ArrayLike<number>[], pairs: 0 }));
  for (const photos of shuffled.sort((a, b) => pairsOf(b) - pairsOf(a))) {
    const poorest = dealt.reduce((a, b) =>
      b.pairs < a.pairs || (b.pairs === a.pairs && b.members.length < a.members.length) ? b : a,
    );
    poorest.members.push(photos);
    poorest.pairs += pairsOf(photos);
  }
  // People with one photograph add no matched pair; a fold left with one person takes one from the fullest.
  for (const fold of dealt)
    while (fold.members.length < 2) {
      const fullest = dealt.reduce((a, b) => (b.members.length > a.members.length ? b : a));
      fold.members.push(fullest.members.pop()!);
    }
  return dealt.map(({ members }) => members);
}

/** One pair of each person in turn, so that those with many photographs do not crowd out the rest. */
function drawMatched(members: readonly ArrayLike<number>[], wanted: number, random: Random): Pair[] {
  // Numbers of pairs, not pairs, and no more than are wanted: a thousand photographs of a person have half a million.
  const ofEach = members.map(({ length }) => someOf((length * (length - 1)) / 2, wanted, random));
  const drawn: Pair[] = [];
  for (let round = 0; drawn.length < wanted; round++) {
    const some = ofEach.flatMap((pairs, i) =>
      round < pairs.length ? [pairOf(members[i]!, pairs[round]!)] : [],
    );
    if (some.length === 0) break;
    drawn.push(...shuffle(some, random));
  }
  return drawn.slice(0, wanted);
}

/** `wanted` of the numbers 0 .. count - 1, all different, in random order; all of them where there are no more. */
function someOf(count: number, wanted: number, random: Random): ArrayLike<number> {
  if (count <= 4 * wanted) return random.permutation(count).slice(0, wanted);
  const drawn = new Set<number>();
  while (drawn.size < wanted) drawn.add(random.int(count));
  return [...drawn];
}

/** The k-th of the pairs (0, 1), (0, 2), .. (1, 2), (1, 3), .. */
function pairOf(photos: ArrayLike<number>, k: number): Pair {
  let first = 0;
  while (k >= photos.length - 1 - first) k -= photos.length - 1 - first++;
  return [photos[first]!, photos[first + 1 + k]!];
}

function drawMismatched(members: readonly ArrayLike<number>[], wanted: number, random: Random): Pair[] {
  const count = members.reduce((sum, own) => sum + own.length, 0);
  const possible = (count ** 2 - members.reduce((sum, own) => sum + own.length ** 2, 0)) / 2;
  if (possible <= 4 * wanted) {
    const photos = members.flatMap((own, person) => Array.from(own, (photo) => ({ photo, person })));
    const all = photos.flatMap((a, i) =>
      photos.slice(i + 1).flatMap((b): Pair[] => (a.person === b.person ? [] : [[a.photo, b.photo]])),
    );
    return shuffle(all, random).slice(0, wanted);
  }
  const drawn = new Map<string, Pair>();
  while (drawn.size < wanted) {
    // People first, then a photograph of each: everybody is drawn equally often.
    const one = random.int(members.length);
    const two = (one + 1 + random.int(members.length - 1)) % members.length;
    const pick = (person: number) => members[person]![random.int(members[person]!.length)]!;
    const [a, b] = [pick(one), pick(two)];
    drawn.set(`${Math.min(a, b)} ${Math.max(a, b)}`, [a, b]);
  }
  return [...drawn.values()];
}

const shuffle = <T>(items: readonly T[], random: Random): T[] =>
  Array.from(random.permutation(items.length), (i) => items[i]!);
