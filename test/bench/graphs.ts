/** Graphs of trivial commands as an experiment file and as a makefile that asks for the same work. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeScratch } from './scratch.js';

/** chain: each stage needs the one before; wide: none needs another. */
export type Shape = 'chain' | 'wide';

export interface Graph {
  /** Words after `cemiflow VERB`. */
  ours: string[];
  /** Words after `make`. */
  theirs: string[];
  /** Back to nothing made, by us and by make. */
  clearOurs(): void;
  clearTheirs(): void;
}

const stagesAFile = 2000;

/** Each stage writes its number into a file, through a shell, in both. */
export function writeGraph(scratch: string, shape: Shape, stages: number): Graph {
  const folder = join(scratch, `${shape}-${stages}`);
  const made = join(folder, 'made');
  const runs = join(folder, 'runs');
  mkdirSync(made, { recursive: true });
  const numbers = Array.from({ length: stages }, (_, i) => i);
  const chained = (i: number) => shape === 'chain' && i > 0;

  // In parts: an experiment file may have 1 MB, which 10,000 stages exceed.
  const parts: string[] = [];
  for (let from = 0; from < stages; from += stagesAFile) {
    const lines = numbers.slice(from, from + stagesAFile).map((i) => {
      const inputs = chained(i) ? ` inputs: { i: s${i - 1} },` : '';
      return `  s${i}: { uses: command,${inputs} with: { run: 'echo ${i} > \${{ outputs.o }}/x', outputs: { o: files } } }\n`;
    });
    parts.push(`part-${parts.length}.yaml`);
    writeFileSync(join(folder, parts.at(-1)!), `stages:\n${lines.join('')}`);
  }
  writeFileSync(join(folder, 'experiment.yaml'), `name: ${shape}\nextends: [${parts.join(', ')}]\n`);

  const target = (i: number) => `made/${i}`;
  const rules = numbers.map(
    (i) => `${target(i)}:${chained(i) ? ` ${target(i - 1)}` : ''}\n\techo ${i} > $@\n`,
  );
  const makefile = `all: ${numbers.map(target).join(' ')}\n.PHONY: all\n${rules.join('')}`;
  writeFileSync(join(folder, 'makefile'), makefile);

  return {
    ours: [join(folder, 'experiment.yaml'), '--runs-dir', runs, '--quiet'],
    theirs: ['-C', folder, '--silent'],
    clearOurs: () => removeScratch(runs),
    clearTheirs() {
      for (const name of readdirSync(made)) rmSync(join(made, name));
    },
  };
}
