/** A fault of a value -> a problem at its place in the file, in words. */
import type { Fault } from './faults.js';
import { listed, type Problems } from './problems.js';
import type { Span } from './source.js';
import type { Path } from './tree.js';

/** Of what the checked value is, and where its parts were written. */
export interface Subject {
  /** Completes "'lamda' is not ...", of the map at the path, whose schema calls it `title`. */
  member(path: Path, title: string | undefined): string;
  /** Begins "... needs 'method'". */
  owner(path: Path, title: string | undefined): string;
  /** How a value is called in messages. */
  name(path: Path): string;
  /** What to call what may be given instead, in hints: "it takes a, b". */
  more: string;
  /** Where a value is written. */
  value(path: Path): Span;
  /** Where the key `key` of the map at `path` is written. */
  key(path: Path, key: string): Span;
  /** Where the map at `path` is named: its key, or what stands for it. */
  map(path: Path): Span;
  /** Put behind a message about a value that was written elsewhere. */
  aside?(path: Path): string;
}

export function sayFault(fault: Fault, subject: Subject, problems: Problems): void {
  switch (fault.kind) {
    case 'unknown': {
      const near = problems.suggest(fault.key, fault.choices);
      const takes = fault.choices.length === 0 ? 'it takes none' : `it takes ${listed(fault.choices)}`;
      problems.add(
        subject.key(fault.path, fault.key),
        `'${fault.key}' is not ${subject.member(fault.path, fault.of)}${near}`,
        takes + subject.more,
      );
      return;
    }
    case 'missing':
      problems.add(
        subject.map(fault.path),
        `${subject.owner(fault.path, fault.of)} needs '${fault.key}'`,
        subject.more === '' ? `add ${fault.key}:` : `add ${fault.key}:${subject.more}`,
      );
      return;
    case 'name':
      problems.add(subject.key(fault.path, fault.key), `'${fault.key}' cannot be a name here`, fault.hint);
      return;
    case 'value': {
      const near =
        fault.word === undefined || !fault.choices ? '' : problems.suggest(fault.word, fault.choices);
      const message = `'${subject.name(fault.path)}' ${fault.must}${near}`;
      problems.add(subject.value(fault.path), message + (subject.aside?.(fault.path) ?? ''), fault.hint);
      return;
    }
  }
}
