/**
 * The photographs of a collection, of which there may be millions: paths as bytes in one buffer, and ten bytes of numbers each, where an
 * object and three strings would take several hundred.
 */
import { RowsByLabel } from '../../data/rows-by-label.js';

export class PhotoList {
  #bytes: Buffer<ArrayBuffer> = Buffer.alloc(2 ** 16);
  /** Where the path of the next photograph begins. */
  #ends: Uint32Array = new Uint32Array(1024);
  /** Bytes of the path before the name inside the person's folder. */
  #owners: Uint16Array = new Uint16Array(1024);
  #people: Int32Array = new Int32Array(1024);
  #length = 0;
  readonly #names: string[] = [];
  readonly #numbers = new Map<string, number>();

  get length(): number {
    return this.#length;
  }

  /** @param owner the person's folder; both are paths inside the collection's */
  add(file: string, owner: string, identity: string): void {
    let person = this.#numbers.get(identity);
    if (person === undefined) {
      person = this.#names.push(identity) - 1;
      this.#numbers.set(identity, person);
    }
    const i = this.#length++;
    if (i === this.#people.length) this.#widen(2 * i);
    const begin = this.#begin(i);
    const end = begin + Buffer.byteLength(file);
    if (end > this.#bytes.length)
      this.#bytes = Buffer.concat([this.#bytes], Math.max(end, 2 * this.#bytes.length));
    this.#bytes.write(file, begin);
    this.#ends[i] = end;
    this.#owners[i] = Buffer.byteLength(owner) + 1;
    this.#people[i] = person;
  }

  /** Path inside the collection's folder. */
  file(i: number): string {
    return this.#bytes.toString('utf8', this.#begin(i), this.#ends[i]!);
  }

  /** Path inside the person's folder; a name, where nothing is nested. */
  name(i: number): string {
    return this.#bytes.toString('utf8', this.#begin(i) + this.#owners[i]!, this.#ends[i]!);
  }

  identity(i: number): string {
    return this.#names[this.#people[i]!]!;
  }

  /** Those that have a photograph, each once. */
  get identities(): readonly string[] {
    return this.#names;
  }

  /** The same photographs, by identity, then by path. */
  sorted(order: (a: string, b: string) => number): PhotoList {
    const byPerson = new RowsByLabel(this.#people.subarray(0, this.#length), this.#names.length);
    const sorted = new PhotoList();
    for (const identity of this.#names.slice().sort(order)) {
      const own = Array.from(byPerson.of(this.#numbers.get(identity)!), (i) => ({
        file: this.file(i),
        owner: this.#bytes.toString('utf8', this.#begin(i), this.#begin(i) + this.#owners[i]! - 1),
      }));
      own.sort((a, b) => order(a.file, b.file));
      for (const { file, owner } of own) sorted.add(file, owner, identity);
    }
    return sorted;
  }

  #begin(i: number): number {
    return i === 0 ? 0 : this.#ends[i - 1]!;
  }

  #widen(size: number): void {
    const [ends, owners, people] = [this.#ends, this.#owners, this.#people];
    this.#ends = new Uint32Array(size);
    this.#owners = new Uint16Array(size);
    this.#people = new Int32Array(size);
    this.#ends.set(ends);
    this.#owners.set(owners);
    this.#people.set(people);
  }
}
