/**
 * The order of people and photographs: `2.pgm` before `10.pgm`. Runs of digits compare as numbers, all else by code unit, the same on every
 * machine. A large collection has its names compared millions of times: what two have in common is passed over.
 */
export function naturalOrder(a: string, b: string): number {
  let left = commonRuns(a, b);
  let right = left;
  while (left < a.length && right < b.length) {
    const numbers = isDigit(a, left) && isDigit(b, right);
    const x = a.slice(left, (left = endOfRun(a, left)));
    const y = b.slice(right, (right = endOfRun(b, right)));
    const order = numbers ? Number(x) - Number(y) : x < y ? -1 : x > y ? 1 : 0;
    if (order !== 0) return order;
  }
  // The one that goes on comes after.
  return Number(left < a.length) - Number(right < b.length) || (a < b ? -1 : a > b ? 1 : 0);
}

/**
 * The order of `folder/a` and `folder/b`, whatever the folder: the slash begins a run that names without a digit in front go on with, so that
 * the others come first.
 */
export function naturalOrderInFolder(a: string, b: string): number {
  const order = Number(isDigit(b, 0)) - Number(isDigit(a, 0));
  return order || naturalOrder(a, b);
}

const isDigit = (text: string, at: number): boolean => {
  const code = text.charCodeAt(at);
  return code >= 0x30 && code <= 0x39;
};

function endOfRun(text: string, from: number): number {
  const digits = isDigit(text, from);
  let end = from + 1;
  while (end < text.length && isDigit(text, end) === digits) end++;
  return end;
}

/** Where the first run begins that may be another in the two. */
function commonRuns(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  let at = 0;
  while (at < most && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  if (at === 0) return 0;
  const digits = isDigit(a, --at);
  while (at > 0 && isDigit(a, at - 1) === digits) at--;
  return at;
}
