/** What somebody who typed a name that there is not is likely to have meant. */
import { distance } from 'fastest-levenshtein';

/** Longer words are not names, and would take long to compare. */
const longestWord = 100;

/**
 * The name closest to `word`, if it is close enough to be meant: a third of the letters may differ, at least two; but in a word of three, two
 * make another word.
 * @param mayCompare asked before each comparison; false ends the search without an answer
 */
export function nearestName(
  word: string,
  names: Iterable<string>,
  mayCompare: () => boolean = () => true,
): string | undefined {
  if (word.length > longestWord) return undefined;
  let best: string | undefined;
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const name of names) {
    if (Math.abs(name.length - word.length) >= least) continue;
    if (!mayCompare()) return undefined;
    const slips = slipsBetween(word.toLowerCase(), name.toLowerCase());
    if (slips < least && slips < Math.max(name.length, word.length) - 1) {
      best = name;
      least = slips;
    }
  }
  return best;
}

/** Letters that are other, missing or too many; two neighbours that changed places are one slip. */
function slipsBetween(a: string, b: string): number {
  const i = [...a].findIndex((letter, at) => letter !== b[at]);
  const swapped = i >= 0 && i + 1 < a.length && a.slice(0, i) + a[i + 1]! + a[i]! + a.slice(i + 2) === b;
  return swapped ? 1 : distance(a, b);
}
