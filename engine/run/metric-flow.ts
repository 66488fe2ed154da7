/** The metrics of one attempt on their way to the journal, which a program that tells millions of them must not fill. */
import type { Metric } from './messages.js';

/** So many values of a metric are kept: a training's that tells ten a second for a day. They take some 100 MB of the journal. */
const oneByOne = 1_000_000;
/** From then on one in so long is kept. The last value of all is in the result. */
const apartMilliseconds = 1000;

/** What is said instead of a value that JSON has no number for: a diverged loss must not go in silence. */
export const notFinite = ({ name, value }: Pick<Metric, 'name' | 'value'>): string =>
  `metric ${name} is ${value}`;

export class MetricFlow {
  readonly last = new Map<string, number>();
  private readonly told = new Map<string, { count: number; at: number }>();

  constructor(
    private readonly tell: (metric: Metric) => void,
    private readonly warn: (text: string) => void,
  ) {}

  take(metric: Metric): void {
    const { name, value, at } = metric;
    this.last.set(name, value);
    const told = this.told.get(name) ?? { count: 0, at: 0 };
    // A clock may be set back.
    if (told.count >= oneByOne && Math.abs(at - told.at) < apartMilliseconds) return;
    this.told.set(name, { count: told.count + 1, at });
    this.tell(metric);
    if (told.count + 1 === oneByOne)
      this.warn(`metric ${name} was told ${oneByOne} times: from now on one value a second is kept`);
  }
}
