/**
 * Finds the photographs that lists of pairs speak of: LFW's as a person and a number, others' as a path. Names are compared in Unicode's
 * composed form, since a file system and an editor may write one name differently.
 */
export interface Named {
  /** The person; empty where the file belongs to nobody. */
  identity: string;
  /** Path inside the person's folder. */
  name: string;
  /** Path inside the collection's folder. */
  file: string;
}

/** Index of a photograph, or a sentence that says why there is none. */
export type Located = number | string;

export interface Locator {
  /** @param which the number at the end of the file's name (`X_0003.jpg` and `3.pgm` are 3), or the name itself */
  byPerson(identity: string, which: string): Located;
  /** @param path inside the collection's folder, or with more folders before it, or with fewer where one file only ends so */
  byPath(path: string): Located;
}

export function locatorOf(photos: readonly Named[]): Locator {
  const people = new Map<string, { names: Map<string, number>; numbers: Map<number, number[]> }>();
  const endings = new Map<string, number[]>();
  const put = <K>(map: Map<K, number[]>, key: K, index: number) => {
    const there = map.get(key);
    if (there) there.push(index);
    else map.set(key, [index]);
  };
  photos.forEach(({ identity, name, file }, index) => {
    for (const ending of endingsOf(file)) put(endings, ending, index);
    if (identity === '') return;
    const key = composed(identity);
    let person = people.get(key);
    if (!person) people.set(key, (person = { names: new Map(), numbers: new Map() }));
    person.names.set(composed(name), index);
    const digits = /(\d+)(\.[^.]*)?$/.exec(name)?.[1];
    if (digits !== undefined) put(person.numbers, Number(digits), index);
  });
  const several = (found: readonly number[]) => found.map((i) => photos[i]!.file).join(', ');

  return {
    byPerson(identity, which) {
      const person = people.get(composed(identity));
      if (!person) return `there is no folder of '${identity}'`;
      const named = person.names.get(composed(which));
      if (named !== undefined) return named;
      if (!/^\d+$/.test(which)) return `${identity} has no photograph '${which}'`;
      const found = person.numbers.get(Number(which)) ?? [];
      if (found.length === 0)
        return `${identity} has no photograph with the number ${which} at the end of its name`;
      if (found.length > 1)
        return `${identity} has ${found.length} photographs with the number ${which}: ${several(found)}`;
      return found[0]!;
    },
    byPath(path) {
      const [whole, ...shorter] = endingsOf(path.replaceAll('\\', '/').replace(/^(\.?\/)+/, ''));
      const found = endings.get(whole!) ?? [];
      if (found.length === 1) return found[0]!;
      const exact = found.find((i) => composed(photos[i]!.file) === whole);
      if (exact !== undefined) return exact;
      if (found.length > 1) return `${found.length} photographs end in '${path}': ${several(found)}`;
      // A list made for a folder further up. A part of its path that is only the end of ours could be another file.
      for (const ending of shorter) {
        const one = endings.get(ending)?.find((i) => composed(photos[i]!.file) === ending);
        if (one !== undefined) return one;
      }
      return `there is no photograph '${path}'`;
    },
  };
}

const composed = (name: string): string => name.normalize('NFC');

/** 'a/b/c' has the endings 'a/b/c', 'b/c' and 'c'. */
function endingsOf(path: string): string[] {
  const parts = composed(path).split('/');
  return parts.map((_, i) => parts.slice(i).join('/'));
}
