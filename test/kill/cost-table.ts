/** What kills cost, by stage kind: a table for people. */
import { type Cost, costOf } from './attempts.js';
import type { Round } from './round.js';

/** Of each kind, the costs of the kills that an attempt of it died of, or that came before its result was in the cache. */
export function costsByKind(rounds: readonly Pick<Round, 'kills' | 'attempts'>[]): Map<string, Cost[]> {
  const costs = new Map<string, Cost[]>();
  for (const { kills, attempts } of rounds) {
    attempts.forEach((attempt, index) => {
      const kill = kills.find(
        ({ at, target, victims }) =>
          at >= attempt.born &&
          (victims.includes(attempt.pid) || (attempt.end && at >= attempt.end.at && target !== 'stage')),
      );
      // The next one that got to work: others may have been killed before.
      const next = attempts
        .slice(index + 1)
        .find(({ key, first, end }) => key === attempt.key && (first ?? end) !== undefined);
      if (!kill || !next) return;
      costs.set(attempt.kind, [...(costs.get(attempt.kind) ?? []), costOf(attempt, kill.at, next)]);
    });
  }
  return costs;
}

export function costTable(rounds: readonly Round[]): string[] {
  const rows = [...costsByKind(rounds)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, costs]) => {
      const again = costs.map((cost) => cost.again);
      return [
        kind,
        String(costs.length),
        seconds(mean(again)),
        seconds(Math.max(...again)),
        seconds(mean(costs.map((cost) => cost.start))),
      ];
    });
  const head = ['stage kind', 'killed', 'work again: mean', 'worst', 'start: mean'];
  const widths = head.map((word, column) => Math.max(word.length, ...rows.map((row) => row[column]!.length)));
  return [head, ...rows].map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  '),
  );
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const seconds = (value: number) => `${value.toFixed(1)} s`;
