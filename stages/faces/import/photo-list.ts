/**
 * The photographs of a collection, of which there may be millions: the names that a folder holds are joined, some hundred to a string, and taken
 * apart where one is asked for. That is the letters of a name and a few bytes, where an object and three strings would take several hundred.
 */

/** A folder that holds photographs. Paths are inside the collection's folder. */
export interface Holder {
  path: string;
  /** The person's folder: this one, or one around it. */
  owner: string;
  identity: string;
}

/** Consecutive photographs of one folder. */
interface Piece {
  holder: Holder;
  count: number;
  /** With a slash between them, which no name has. */
  names: string;
}

/** Names that are joined: few enough that they, taken apart, are asked for before V8 takes them for lasting. */
const together = 64;

export class PhotoList {
  readonly #pieces: Piece[] = [];
  /** Number of each piece's first photograph. */
  readonly #firsts: number[] = [];
  #length = 0;
  /** What was asked for last, taken apart: most are asked for one after the other. */
  #open: { at: number; names: readonly string[] } | undefined;

  get length(): number {
    return this.#length;
  }

  /** @param names of files in that folder, in order */
  add(holder: Holder, names: readonly string[]): void {
    for (let from = 0; from < names.length; from += together) {
      const some = names.slice(from, from + together);
      this.#put({ holder, count: some.length, names: some.join('/') });
    }
  }

  /** Path inside the collection's folder. */
  file(i: number): string {
    const { holder, name } = this.#find(i);
    return `${holder.path}/${name}`;
  }

  /** Path inside the person's folder; a name, where nothing is nested. */
  name(i: number): string {
    return this.file(i).slice(this.#find(i).holder.owner.length + 1);
  }

  identity(i: number): string {
    return this.#pieces[this.#pieceOf(i)]!.holder.identity;
  }

  /** Those that have a photograph, each once. */
  get identities(): string[] {
    return [...new Set(this.#pieces.map(({ holder }) => holder.identity))];
  }

  /** The same photographs, by identity, then by path. @param order the one in which the names of a folder were added */
  sorted(order: (a: string, b: string) => number): PhotoList {
    const people = new Map<string, Piece[]>();
    for (const piece of this.#pieces) {
      const own = people.get(piece.holder.identity);
      if (own) own.push(piece);
      else people.set(piece.holder.identity, [piece]);
    }
    const sorted = new PhotoList();
    for (const identity of [...people.keys()].sort(order)) {
      const own = people.get(identity)!;
      if (own.every(({ holder }) => holder === own[0]!.holder)) own.forEach((piece) => sorted.#put(piece));
      else sorted.#merge(own, order);
    }
    return sorted;
  }

  /** Adds a person's photographs from several folders: paths may lie between those of another folder. */
  #merge(pieces: readonly Piece[], order: (a: string, b: string) => number): void {
    const photos = pieces
      .flatMap(({ holder, names }) =>
        names.split('/').map((name) => ({ holder, name, path: `${holder.path}/${name}` })),
      )
      .sort((a, b) => order(a.path, b.path));
    let from = 0;
    photos.forEach(({ holder }, i) => {
      if (photos[i + 1]?.holder === holder) return;
      this.add(
        holder,
        photos.slice(from, i + 1).map(({ name }) => name),
      );
      from = i + 1;
    });
  }

  #put(piece: Piece): void {
    this.#pieces.push(piece);
    this.#firsts.push(this.#length);
    this.#length += piece.count;
  }

  #find(i: number): { holder: Holder; name: string } {
    const at = this.#pieceOf(i);
    const { holder, names } = this.#pieces[at]!;
    if (this.#open?.at !== at) this.#open = { at, names: names.split('/') };
    return { holder, name: this.#open.names[i - this.#firsts[at]!]! };
  }

  #pieceOf(i: number): number {
    let low = 0;
    let high = this.#pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#firsts[middle]! <= i) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
