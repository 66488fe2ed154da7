/**
 * Times things that do the same work, turn by turn. Every round gives each of them one turn, so that what else the machine does
 * hits all alike and their ratio holds where their seconds do not.
 */
export interface Contestant {
  /** Untimed, before each of its turns. */
  ready?(): unknown;
  /** The work; its promise is waited for. */
  run(): unknown;
}

export interface Patience {
  /** Timed rounds at most. */
  rounds: number;
  /** No round begins after so many seconds of timed ones; one is always run. */
  seconds: number;
  /** A round before them that is not timed: for what compiles or warms up in its first turn. Default false. */
  warmUp?: boolean;
  /** Every second round goes through them backwards, so that a machine that gets slower favours nobody. Default false. */
  alternate?: boolean;
}

/** @returns the seconds of each turn, contestant by contestant in their order */
export async function race(contestants: readonly Contestant[], patience: Patience): Promise<number[][]> {
  const { rounds, seconds, warmUp = false, alternate = false } = patience;
  const times: number[][] = contestants.map(() => []);
  let begun = performance.now();
  for (let round = warmUp ? -1 : 0; round < rounds; round++) {
    if (round === 0) begun = performance.now();
    if (round > 0 && performance.now() - begun > 1000 * seconds) break;
    const order = [...contestants.entries()];
    for (const [i, { ready, run }] of alternate && round % 2 !== 0 ? order.reverse() : order) {
      await ready?.();
      const start = performance.now();
      await run();
      if (round >= 0) times[i]!.push((performance.now() - start) / 1000);
    }
  }
  return times;
}

/** @param values at least one */
export function minimum(values: readonly number[]): number {
  return Math.min(...values);
}

/** The middle value, or the mean of the two middle ones. @param values at least one */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}

/**
 * Between which values the median lies, by the sign test: wrong in 5 of 100 cases at most, whatever the values are distributed like.
 * @param values at least 6
 */
export function medianInterval(values: readonly number[]): [number, number] {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  // Of so few values below the median, and fewer, the chance stays below 2.5 %.
  let chance = 0.5 ** n;
  let sum = chance;
  let k = 0;
  while (sum + (chance *= (n - k) / (k + 1)) <= 0.025) {
    sum += chance;
    k++;
  }
  return [sorted[k]!, sorted[n - 1 - k]!];
}
