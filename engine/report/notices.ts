/** What a reader must know before believing a comparison: where rows differ in what should be equal. One sentence each. Pure. */
import type { ComparisonRow } from './compare.js';
import { sameSize, sizeInWords, type TrainingData } from './training-data.js';

/** Parts of a card in which rows of a comparison are meant to differ; everything else should be equal. */
const meantToDiffer = /^(data|seeds?)(\.|$)/;

export function noticesOf(rows: readonly ComparisonRow[], baseline: string | null): string[] {
  const notices = [...unlikeSizes(rows, baseline), ...undelivered(rows), ...unlikeCards(rows)];
  if (rows.length > 0 && rows.every((row) => row.n === 1))
    notices.push(
      'Each row is one seed: differences smaller than the error shown may be chance. Add `seeds: [1, 2, 3]` to the FR stage for replicas.',
    );
  return notices;
}

type Sized = ComparisonRow & { data: TrainingData };
const sized = (rows: readonly ComparisonRow[]): Sized[] =>
  rows.filter((row): row is Sized => row.data !== null);

/** More people and images train a better network, whatever method made them. */
function unlikeSizes(rows: readonly ComparisonRow[], baseline: string | null): string[] {
  const of = sized(rows);
  const bySize = grouped(of, ({ data }) => sizeInWords(data.used));
  if (bySize.size < 2) return [];
  const distinct = (part: 'steps' | 'epochs') => [...new Set(of.map(({ data }) => data[part]))];
  const [steps, epochs] = [distinct('steps'), distinct('epochs')];
  const passes =
    steps.length === 1 && steps[0] !== null && epochs.length > 1
      ? ` At ${steps[0]} steps each these are ${epochs.join(' and ')} epochs.`
      : '';
  const base = of.find(({ label }) => label === baseline);
  const unlike = base && of.some((row) => !sameSize(row.data.used, base.data.used));
  const gtr = unlike
    ? ` GtR against ${base.label} is not due to the kind of data alone: --baseline takes a row of the same size.`
    : '';
  return [
    `Training sets differ in size, identities × images of each: ${inWords(bySize, rows)}.${passes}${gtr}`,
  ];
}

/** Asked for more than was delivered: inquiry images that a filter refused, photographs without a face. */
function undelivered(rows: readonly ComparisonRow[]): string[] {
  const short = sized(rows).filter(
    ({ data }) => data.asked && data.delivered && !sameSize(data.asked, data.delivered),
  );
  if (short.length === 0) return [];
  const words = grouped(
    short,
    ({ data }) => `${sizeInWords(data.delivered!)} of ${sizeInWords(data.asked!)} asked for`,
  );
  return [`Fewer images than asked for: ${inWords(words, rows)}.`];
}

/** One sentence for each part of the cards that should be equal and is not. */
function unlikeCards(rows: readonly ComparisonRow[]): string[] {
  const carded = rows.flatMap((row) =>
    row.card ? [{ ...row, leaves: new Map(leavesOf(row.card, '')) }] : [],
  );
  const paths = new Set(carded.flatMap((row) => [...row.leaves.keys()]));
  const sizes = new Set(sized(rows).map(({ data }) => data.used.images));
  const equal = (path: string) => new Set(carded.map((row) => row.leaves.get(path))).size === 1;
  return (
    [...paths]
      .filter((path) => !meantToDiffer.test(path) && !equal(path))
      // With as many steps, epochs follow from the sizes, which have a sentence of their own.
      .filter((path) => !(path === 'epochs' && sizes.size > 1 && paths.has('steps') && equal('steps')))
      .sort()
      .map((path) => {
        const byValue = grouped(carded, ({ leaves }) =>
          (leaves.get(path) ?? 'not stated').replace(/^"(.*)"$/, '$1'),
        );
        return `Rows differ in ${path}: ${inWords(byValue, rows)}.`;
      })
  );
}

/** Every value of a card by its path: "data.settings.m". */
export function leavesOf(value: unknown, path: string): [string, string][] {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    return [[path, JSON.stringify(value)]];
  return Object.entries(value).flatMap(([name, inner]) => leavesOf(inner, path ? `${path}.${name}` : name));
}

/** Labels by what is said of them, in the order of the rows. */
function grouped<R extends ComparisonRow>(
  rows: readonly R[],
  say: (row: R) => string,
): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const row of rows) {
    const words = say(row);
    groups.set(words, [...(groups.get(words) ?? []), row.label]);
  }
  return groups;
}

const inWords = (groups: ReadonlyMap<string, readonly string[]>, rows: readonly ComparisonRow[]) =>
  [...groups].map(([words, labels]) => `${words} (${labelsInWords(labels, rows)})`).join('; ');

/** `score@*` for all points of a stage, as the experiment file has it; names otherwise. */
function labelsInWords(labels: readonly string[], rows: readonly ComparisonRow[]): string {
  const stem = (label: string) => label.replace(/@[^@]*$/, '');
  const of = (name: string, all: readonly string[]) => all.filter((label) => stem(label) === name);
  const everywhere = rows.map(({ label }) => label);
  const words = labels.map((label) => {
    const points = of(stem(label), everywhere);
    const all = points.length > 2 && points.length === of(stem(label), labels).length;
    return all ? `${stem(label)}@*` : label;
  });
  return [...new Set(words)].join(', ');
}
