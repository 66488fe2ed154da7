/** What does not fit on a line, cut so that it can still be told from the others. Pure. */

export function cut(text: string, room: number): string {
  if (text.length <= room) return text;
  return room < 2 ? '' : `${text.slice(0, room - 1)}…`;
}

/** The stage's name begins a name, and the point that tells it from its siblings ends it. */
export function cutInside(name: string, room: number): string {
  if (name.length <= room) return name;
  const head = Math.floor((room - 1) / 3);
  return `${name.slice(0, head)}…${name.slice(name.length - (room - 1 - head))}`;
}

/** Letters between two columns. */
export const GAP = 2;
/** The widest column, mostly of names, and the last one, of words, are cut to no less: a run and its time have room. */
const [LEAST_NAME, LEAST_WORDS] = [24, 32];

/** Rows whose lines are at most so wide, where that can be: the widest column is cut first, then the last. */
export function fitted(rows: readonly (readonly string[])[], width: number): string[][] {
  const widths = widthsOf(rows);
  const last = widths.length - 1;
  const total = (sizes: readonly number[]) =>
    sizes.reduce((sum, size) => sum + size, 0) + GAP * Math.max(0, last);
  const names = widths.slice(0, -1).reduce((best, size, i) => (size > widths[best]! ? i : best), 0);
  const over = total(widths.map((size, i) => (i === last ? Math.min(size, LEAST_WORDS) : size))) - width;
  const room = [...widths];
  if (over > 0 && last > 0)
    room[names] = Math.min(widths[names]!, Math.max(LEAST_NAME, widths[names]! - over));
  room[last] = Math.max(Math.min(widths[last] ?? 0, LEAST_WORDS), width - total(room) + (room[last] ?? 0));
  return rows.map((row) =>
    row.map((cell, i) => (i === last ? cut(cell, room[i]!) : i === names ? cutInside(cell, room[i]!) : cell)),
  );
}

export function widthsOf(rows: readonly (readonly string[])[]): number[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return widths;
}
