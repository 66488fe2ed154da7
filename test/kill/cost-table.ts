/** What kills cost, by stage kind: a table for people. */
import { type Attempt, type Cost, costOf } from './attempts.js';
import type { Round } from './round.js';

/** Of each kind, the costs of the kills that hit one of its attempts at work. */
export function costsByKind(rounds: readonly Pick<Round, 'kills' | 'attempts'>[]): Map<string, Cost[]> {
  const costs = new Map<string, Cost[]>();
  for (const { kills, attempts } of rounds) {
    const next = new Map<Attempt, Attempt>();
    const latest = new Map<string, Attempt>();
    for (const attempt of attempts) {
      const before = latest.get(attempt.key);
      if (before) next.set(before, attempt);
      latest.set(attempt.key, attempt);
    }
    for (const [attempt, following] of next) {
      const kill = kills.find(({ victims, at }) => victims.includes(attempt.pid) && at >= attempt.born);
      if (!kill) continue;
      costs.set(attempt.kind, [...(costs.get(attempt.kind) ?? []), costOf(attempt, kill.at, following)]);
    }
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
