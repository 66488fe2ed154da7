/** Which people and pictures go to images, to verification and to inquiry, and why the others go nowhere. Pure. */
import { StageError } from '../../contract.js';
import { Random } from '../../tensors/random.js';

/** A person's usable pictures, indexes into the photographs, in order. */
export interface Person {
  name: string;
  photos: Int32Array;
}

export interface Rules {
  minImages: number;
  /** 0: no limit. */
  maxImages: number;
  split: { verification: number; inquiry: number };
  shareIdentities: boolean;
  seed: number;
}

const leftOut = ['few_images', 'over_maximum', 'spare_inquiry'] as const;
export type LeftOut = (typeof leftOut)[number];

export interface Selection {
  images: Person[];
  verification: Person[];
  inquiry: Person[];
  /** Why a usable picture goes nowhere; undefined for others. */
  left(photo: number): LeftOut | undefined;
}

export const onePersonOnly = (name: string): StageError =>
  new StageError(
    `photos: there is one person only, ${name}: nothing can be told apart`,
    'Give photographs of two people or more, a folder for each: FOLDER/<person>/<photograph>.',
  );

/** @throws StageError where nobody is left for images */
export function select(people: readonly Person[], rules: Rules): Selection {
  const { minImages, maxImages, split, shareIdentities, seed } = rules;
  // By number, counted from 1: a byte each.
  const left = new Uint8Array(1 + people.reduce((last, { photos }) => Math.max(last, photos.at(-1) ?? 0), 0));
  const leave = (photos: Int32Array, why: LeftOut) =>
    photos.forEach((photo) => (left[photo] = 1 + leftOut.indexOf(why)));

  const kept = people
    .filter(({ photos }) => {
      if (photos.length < minImages) leave(photos, 'few_images');
      return photos.length >= minImages && photos.length > 0;
    })
    .map((person): Person => {
      if (maxImages === 0 || person.photos.length <= maxImages) return person;
      const order = new Random(seed, 'images of a person', person.name).permutation(person.photos.length);
      const extra = order.slice(maxImages).map((i) => person.photos[i]!);
      leave(extra, 'over_maximum');
      const kept = order.slice(0, maxImages).map((i) => person.photos[i]!);
      return { ...person, photos: kept.sort() };
    });
  if (kept.length === 0)
    throw new StageError(
      `photos: nobody of ${people.length} people has ${minImages} usable pictures`,
      'Lower minImages, or give more photographs.',
    );
  if (kept.length === 1) throw onePersonOnly(kept[0]!.name);

  const drawn = Array.from(new Random(seed, 'split').permutation(kept.length), (i) => kept[i]!);
  const share = (part: number) => Math.round(part * drawn.length);
  const verification = drawn.slice(0, share(split.verification));
  const toInquiry = drawn.slice(verification.length, verification.length + share(split.inquiry));
  const verified = new Set(verification);
  const inquired = new Set(toInquiry);

  const images = kept.filter((person) => !inquired.has(person) && (shareIdentities || !verified.has(person)));
  if (images.length === 0)
    throw new StageError(
      `photos: all ${kept.length} people are wanted for verification and inquiry, which leaves nobody for images`,
      'Set shareIdentities: true to have the same people in both (right for judging a pretrained model), or give more people.',
    );
  const inquiry = toInquiry.map((person) => {
    const chosen = person.photos[new Random(seed, 'inquiry', person.name).int(person.photos.length)]!;
    leave(
      person.photos.filter((photo) => photo !== chosen),
      'spare_inquiry',
    );
    return { ...person, photos: Int32Array.of(chosen) };
  });
  const order = new Map(kept.map((person, i) => [person.name, i]));
  const sorted = (some: Person[]) => some.sort((a, b) => order.get(a.name)! - order.get(b.name)!);
  return {
    images,
    verification: sorted(verification),
    inquiry: sorted(inquiry),
    left: (photo) => leftOut[left[photo]! - 1],
  };
}
