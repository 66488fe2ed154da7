/** cemiflow in the benchmarks: one experiment file of `command` stages. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../engine/cli/invocation.js';
import { removeScratch } from '../scratch.js';
import { type Engine, execute, jobs, moveAway } from './contest.js';
import type { Stage } from './graph.js';

export const program = join(packageRoot, 'dist/engine/cli/main.js');

function stageLine({ name, needs, files }: Stage): string {
  const sources = [...needs, ...files.map((file) => `'path:src/${file}'`)];
  const paths = [
    ...needs.map((_, i) => `\${{ inputs.i${i} }}/x`),
    ...files.map((_, i) => `\${{ inputs.i${needs.length + i} }}`),
  ];
  const inputs = sources.map((source, i) => `i${i}: ${source}`).join(', ');
  return `  ${name}: { uses: command, inputs: { ${inputs} }, with: { run: 'cat ${paths.join(' ')} | cksum > \${{ outputs.o }}/x', outputs: { o: files } } }\n`;
}

export const ours: Engine = {
  name: 'cemiflow',
  decidesBy: 'content of inputs (sha256), early cut-off; journal, fsync, read-only cache',
  largest: 10_000,
  write(folder, { shape, stages }) {
    const file = join(folder, 'experiment.yaml');
    const runs = join(folder, 'runs');
    writeFileSync(file, `name: ${shape}\nstages:\n${stages.map(stageLine).join('')}`);
    const line = (verb: string, ...words: string[]) => ({
      program: process.execPath,
      words: [program, verb, file, '--runs-dir', runs, '--quiet', ...words],
      cwd: folder,
    });
    let paths: Map<string, string> | undefined;
    return {
      run: line('run', `-j${jobs}`),
      plan: line('plan'),
      clear() {
        paths = undefined;
        moveAway(folder, ['runs']);
      },
      // The cache is where they are.
      removeOutputs() {
        removeScratch(join(runs, 'cache/objects'));
        for (const name of readdirSync(runs))
          if (name !== 'cache') rmSync(join(runs, name), { recursive: true });
      },
      output(stage) {
        paths ??= new Map(
          (JSON.parse(execute(line('run', '--json'))) as Summary).stages.map(({ name, outputs }) => [
            name,
            outputs.o.path,
          ]),
        );
        return join(paths.get(stage)!, 'x');
      },
    };
  },
};

interface Summary {
  stages: { name: string; outputs: { o: { path: string } } }[];
}
