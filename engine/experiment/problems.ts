/** Collects all that is wrong with an experiment, with nearest names; loading ends with what is in here. */
import { hideCredentials } from '../credentials.js';
import { nearestName } from '../nearest-name.js';
import type { Diagnostic } from './experiment.js';
import { placeOf, type Span, underline } from './source.js';

/** A file can be wrong in a hundred thousand ways; nobody reads more than this. */
const kept = 200;
/** Comparisons for nearest names in one loading, so that a big file full of typos ends in bounded time. */
const comparisons = 200_000;

export class Problems {
  private readonly found = new Map<string, { diagnostic: Diagnostic; order: number; offset: number }>();
  private readonly sources = new Map<unknown, number>();
  private budget = comparisons;
  private more = 0;

  get any(): boolean {
    return this.found.size > 0;
  }

  /** How many distinct problems there are: lets a caller see whether a step added one. */
  get count(): number {
    return this.found.size + this.more;
  }

  /** The same problem at the same place (21 points of a matrix, say) is said once. */
  add(span: Span, message: string, hint?: string): void {
    // A file with a hundred thousand problems is told quickly, too.
    if (this.found.size >= kept) {
      this.more += 1;
      return;
    }
    const place = placeOf(span);
    const id = `${place.file}\0${place.origin ?? ''}\0${span.start}\0${message}`;
    if (this.found.has(id)) return;
    if (!this.sources.has(span.source)) this.sources.set(span.source, this.sources.size);
    const text = span.source.line(place.line);
    this.found.set(id, {
      order: this.sources.get(span.source)!,
      offset: span.start,
      diagnostic: {
        place: place.origin === undefined ? place : { ...place, origin: hideCredentials(place.origin) },
        length: underline(span),
        // A screen or a log of CI is no place for a password, whatever the line that has one is wrong about.
        message: hideCredentials(message),
        ...(hint === undefined ? {} : { hint: hideCredentials(hint) }),
        ...(text === '' ? {} : { text: hideCredentials(text) }),
      },
    });
  }

  /** ". Did you mean 'x'?" or nothing. */
  suggest(word: string, names: Iterable<string>): string {
    const near = this.nearest(word, names);
    return near === undefined ? '' : `. Did you mean '${near}'?`;
  }

  /** As nearestName, while the comparisons last. */
  nearest(word: string, names: Iterable<string>): string | undefined {
    return nearestName(word, names, () => (this.budget -= 1) >= 0);
  }

  /** All of them, file by file in the order they were met, and by place within a file. */
  list(): Diagnostic[] {
    const sorted = [...this.found.values()].sort((a, b) => a.order - b.order || a.offset - b.offset);
    const list = sorted.map((entry) => entry.diagnostic);
    const last = list.at(-1);
    if (this.more > 0 && last)
      list.push({ place: last.place, length: 1, message: `... and ${this.more} more problems` });
    return list;
  }
}

/** Names for a hint: all, or the first twelve and how many more. */
export function listed(names: Iterable<string>): string {
  const all = [...names];
  if (all.length === 0) return 'none';
  const some = all.slice(0, 12).join(', ');
  return all.length > 12 ? `${some} and ${all.length - 12} more` : some;
}
