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
  /** What to do in place of an unknown key that other programs have. */
  instead?(path: Path, key: string): string | undefined;
}

/** All faults of one value; that a key is missing which was misspelt is not said as well. */
export function sayFaults(faults: readonly Fault[], subject: Subject, problems: Problems): void {
  const id = (path: Path, key: string): string => [...path, key].join('\0');
  const misspelt = new Set(
    faults.flatMap((fault) => {
      const meant = fault.kind === 'unknown' ? meantKey(fault, problems) : undefined;
      return meant === undefined ? [] : [id(fault.path, meant)];
    }),
  );
  for (const fault of faults)
    if (fault.kind !== 'missing' || !misspelt.has(id(fault.path, fault.key)))
      sayFault(fault, subject, problems);
}

/** `uses:faces` and `size=32`: a key and its value in one word. */
const glued = /^([A-Za-z][\w-]*)([:=])(.+)$/s;

function meantKey({ key, choices }: Extract<Fault, { kind: 'unknown' }>, problems: Problems) {
  const whole = glued.exec(key)?.[1];
  return whole !== undefined && choices.includes(whole) ? whole : problems.nearest(key, choices);
}

function sayFault(fault: Fault, subject: Subject, problems: Problems): void {
  switch (fault.kind) {
    case 'unknown': {
      const [, key, , value] = glued.exec(fault.key) ?? [];
      const takes = fault.choices.length === 0 ? 'it takes none' : `it takes ${listed(fault.choices)}`;
      const remedy =
        key !== undefined && fault.choices.includes(key)
          ? `a key needs a colon and a space: ${key}: ${value!.trim()}`
          : subject.instead?.(fault.path, fault.key);
      const near = remedy === undefined ? problems.suggest(fault.key, fault.choices) : '';
      problems.add(
        subject.key(fault.path, fault.key),
        `'${fault.key}' is not ${subject.member(fault.path, fault.of)}${near}`,
        remedy ?? takes + subject.more,
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
