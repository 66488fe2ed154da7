/** The order of a graph and its cycles, without recursion: a chain of ten thousand stages is an ordinary file. */

export interface Order {
  /** Every name comes after all it depends on, otherwise in the given order. Members of cycles, and what depends on them, are missing. */
  sorted: string[];
  /** One of each knot, closed: [a, b, a]. */
  cycles: string[][];
}

/** @param dependencies what each name depends on; names that are not keys are ignored */
export function inOrder(dependencies: ReadonlyMap<string, Iterable<string>>): Order {
  const sorted: string[] = [];
  const cycles: string[][] = [];
  /** open: on the path that is being walked. bad: in a cycle, or above one. */
  const state = new Map<string, 'open' | 'done' | 'bad'>();
  for (const start of dependencies.keys()) {
    if (state.has(start)) continue;
    const path = [{ name: start, rest: dependencies.get(start)![Symbol.iterator](), bad: false }];
    state.set(start, 'open');
    while (path.length > 0) {
      const top = path.at(-1)!;
      const next = top.rest.next();
      if (next.done) {
        path.pop();
        state.set(top.name, top.bad ? 'bad' : 'done');
        if (!top.bad) sorted.push(top.name);
        else if (path.length > 0) path.at(-1)!.bad = true;
        continue;
      }
      const below = dependencies.get(next.value);
      if (!below) continue;
      const seen = state.get(next.value);
      if (seen === 'open') {
        const names = path.map((entry) => entry.name);
        cycles.push([...names.slice(names.indexOf(next.value)), next.value]);
        top.bad = true;
      } else if (seen === 'bad') top.bad = true;
      else if (seen === undefined) {
        state.set(next.value, 'open');
        path.push({ name: next.value, rest: below[Symbol.iterator](), bad: false });
      }
    }
  }
  return { sorted, cycles };
}
