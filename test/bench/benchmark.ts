/** What a benchmark is and what it measures: plain data, which tables.ts prints. */
export interface Benchmark {
  /** Letters and hyphens; `npm run bench` takes beginnings of it. */
  name: string;
  /** What it measures, on one line. */
  title: string;
  /** Takes long, and runs only where its name, or a beginning of it, is given. */
  onlyNamed?: true;
  run(options: BenchOptions): Promise<Measured>;
}

export interface BenchOptions {
  /** Stages of the graphs in benchmarks that leave it open. */
  sizes: readonly number[];
  /** Numbers of threads with which networks are computed, one after the other. */
  threads: readonly number[];
}

export interface Measured {
  rows: Row[];
  /** Of a benchmark whose figures are no times: what it found, as it is shown. */
  table?: { head: readonly string[]; rows: readonly (readonly string[])[] };
  /** What a reader of the figures has to know, one sentence each. */
  notes: string[];
}

export interface Row {
  what: string;
  /** Of each turn, at least one. */
  seconds: readonly number[];
  /** Processor time of each turn, all threads together: what holds where other work takes the cores away. */
  processor?: readonly number[];
  /** The work of a turn, for a rate. */
  work?: { amount: number; unit: string };
  /** Who did the same work in the same rounds. */
  peer?: Peer;
  /** Instead of one, where several did. */
  peers?: readonly Peer[];
}

export interface Peer {
  name: string;
  seconds: readonly number[];
  processor?: readonly number[];
}
