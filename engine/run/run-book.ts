/** The books of one run: what each stage came to, told to the journal and to whoever listens, and summed up at the end. */
import type { Cache } from '../cache/cache.js';
import type { Digest } from '../digest.js';
import type { StageInstance } from '../experiment/experiment.js';
import type { StageStatus } from '../journal/events.js';
import type { JournalWriter, Untimed } from '../journal/writer.js';
import type { KeyComponents, OutputRecord, StageResult } from '../plan/plan.js';
import type { RunEvent } from './events.js';
import type { StageEnd } from './stage-run.js';
import type { StageSummary } from './summary.js';

export class RunBook {
  private readonly results = new Map<string, StageResult>();
  private readonly summaries = new Map<string, StageSummary>();
  /** What was told of stages before they began. */
  private readonly doubts = new Map<string, string>();
  /** What failed stages advise, by name. */
  readonly remedies = new Map<string, string>();
  /** Folders with what failed stages had written, by name. */
  readonly scratch = new Map<string, string>();

  constructor(
    private readonly instances: ReadonlyMap<string, StageInstance>,
    private readonly journal: JournalWriter,
    private readonly cache: Cache,
    /** Also for what is only for eyes: the journal does not keep it. */
    readonly show: (event: RunEvent) => void,
  ) {}

  /** Into the journal, then to the listener. @param at milliseconds since 1970, where that is not now */
  readonly tell = (event: Untimed, at?: number): void => this.show(this.journal.append(event, at));

  /** Of a stage that is about to begin. */
  doubt(name: string, text: string): void {
    this.doubts.set(name, text);
    this.tell({ type: 'warning', stage: name, text });
  }

  /** Of a stage that has ended well. */
  readonly outputsOf = (name: string): Readonly<Record<string, OutputRecord>> => {
    const result = this.results.get(name);
    if (!result) throw new TypeError(`${name} has no result yet`);
    return result.outputs;
  };

  /** undefined while there is no result. */
  readonly digestsOf = (name: string): Record<string, Digest> | undefined => {
    const outputs = this.results.get(name)?.outputs;
    return (
      outputs && Object.fromEntries(Object.entries(outputs).map(([output, { digest }]) => [output, digest]))
    );
  };

  cached(name: string, result: StageResult): void {
    this.results.set(name, result);
    this.enter(
      {
        ...this.blank(name, 'cached'),
        key: result.key,
        // What it took when it was made; its seconds are those of this run.
        peakRssBytes: result.by.peakRssBytes,
        outputs: this.withPaths(result),
        metrics: { ...result.metrics },
        ...warned(result.warnings),
      },
      {
        warnings: [...result.warnings],
        device: result.by.device,
        ...this.outside(name, result.components),
        from: { run: result.by.run, seconds: result.by.seconds },
      },
    );
  }

  ended(
    name: string,
    { key, components }: { key: string; components: KeyComponents },
    end: Exclude<StageEnd, { status: 'cached' }>,
  ): void {
    const ok = end.status === 'ok';
    const doubt = this.doubts.get(name);
    if (ok) this.results.set(name, end.result);
    else {
      if (end.remedy !== undefined) this.remedies.set(name, end.remedy);
      if (end.scratch !== undefined) this.scratch.set(name, end.scratch);
    }
    this.enter(
      {
        ...this.blank(name, end.status),
        key,
        seconds: end.seconds,
        peakRssBytes: end.peakRssBytes,
        outputs: ok ? this.withPaths(end.result) : {},
        metrics: { ...end.metrics },
        ...warned([...(doubt === undefined ? [] : [doubt]), ...end.warnings]),
        ...(ok ? {} : { error: end.error }),
      },
      {
        warnings: [...end.warnings],
        device: end.device,
        attempt: end.attempt,
        ...this.outside(name, components),
        ...(ok || end.scratch === undefined ? {} : { scratch: end.scratch }),
      },
    );
  }

  /** It could not even be looked at. */
  refused(name: string, error: string, remedy?: string): void {
    if (remedy !== undefined) this.remedies.set(name, remedy);
    this.enter({ ...this.blank(name, 'failed'), error });
  }

  skipped(name: string, because: string): void {
    this.enter({ ...this.blank(name, 'skipped'), error: because });
  }

  /** In the order of the plan. */
  stages(): StageSummary[] {
    return [...this.instances.keys()].flatMap((name) => this.summaries.get(name) ?? []);
  }

  private blank(name: string, status: StageStatus): StageSummary {
    const { kind } = this.instances.get(name)!;
    return { name, kind, status, key: null, seconds: 0, peakRssBytes: 0, outputs: {}, metrics: {} };
  }

  /** What comes from outside has its digest nowhere else in the journal. */
  private outside(name: string, { inputs }: KeyComponents): { outside?: Record<string, Digest> } {
    const found = Object.entries(this.instances.get(name)!.inputs).flatMap(([input, sources]) =>
      sources.flatMap((source, i) =>
        source.from === 'path' ? [[source.path, inputs[input]![i]!] as const] : [],
      ),
    );
    return found.length > 0 ? { outside: Object.fromEntries(found) } : {};
  }

  private enter(
    summary: StageSummary,
    more: {
      warnings?: string[];
      device?: string;
      attempt?: number;
      outside?: Record<string, Digest>;
      scratch?: string;
      from?: { run: string; seconds: number };
    } = {},
  ): void {
    this.summaries.set(summary.name, summary);
    const { name, kind: _, key, outputs: __, ...rest } = summary;
    this.tell({
      type: 'stage-ended',
      stage: name,
      ...rest,
      ...(key === null ? {} : { key }),
      outputs: { ...this.results.get(name)?.outputs },
      warnings: [],
      ...more,
    });
  }

  private withPaths({ outputs }: StageResult): StageSummary['outputs'] {
    return Object.fromEntries(
      Object.entries(outputs).map(([name, { type, digest }]) => [
        name,
        { type, digest, path: this.cache.objectPath(digest) },
      ]),
    );
  }
}

const warned = (warnings: readonly string[]) => (warnings.length > 0 ? { warnings: [...warnings] } : {});
