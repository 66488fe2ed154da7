/** What a benchmark is and what it measures: plain data, which tables.ts prints. */
export interface Benchmark {
  /** Letters and hyphens; `npm run bench` takes beginnings of it. */
  name: string;
  /** What it measures, on one line. */
  title: string;
  run(): Promise<Measured>;
}

export interface Measured {
  rows: Row[];
  /** What a reader of the figures has to know, one sentence each. */
  notes: string[];
}

export interface Row {
  what: string;
  /** Of each turn, at least one. */
  seconds: readonly number[];
  /** The work of a turn, for a rate. */
  work?: { amount: number; unit: string };
  /** Who did the same work in the same rounds. */
  peer?: { name: string; seconds: readonly number[] };
}
