/** The last lines that a process wrote: they tell what it died of. */

/** V8 puts a stack of thirty lines below the word that counts. */
const kept = 60;

export class LastLines {
  private lines: string[] = [];

  /** @param lines one or more */
  add(lines: string): void {
    // Of a large block only the end is looked at.
    let from = lines.length;
    for (let n = 0; n < kept && from > 0; n++) from = lines.lastIndexOf('\n', from - 1);
    this.lines.push(...lines.slice(from + 1).split('\n'));
    this.lines = this.lines.slice(-kept);
  }

  get text(): string {
    return this.lines.join('\n');
  }
}
