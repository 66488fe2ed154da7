/** The metrics of one attempt on their way to the journal, which a program that tells millions of them must not fill. */

/** So many values of a metric are told one by one; that is an epoch's steps many times over. */
const oneByOne = 20_000;
/** From then on one in so long. The last value of all is in the result. */
const apartMilliseconds = 1000;

export class MetricFlow {
  readonly last = new Map<string, number>();
  private readonly told = new Map<string, { count: number; at: number }>();

  constructor(
    private readonly tell: (name: string, value: number, step?: number) => void,
    private readonly warn: (text: string) => void,
  ) {}

  take(name: string, value: number, step?: number): void {
    this.last.set(name, value);
    const told = this.told.get(name) ?? { count: 0, at: 0 };
    if (told.count >= oneByOne && performance.now() - told.at < apartMilliseconds) return;
    this.told.set(name, { count: told.count + 1, at: performance.now() });
    this.tell(name, value, step);
    if (told.count + 1 === oneByOne)
      this.warn(`metric ${name} was told ${oneByOne} times: from now on one value a second is kept`);
  }
}
