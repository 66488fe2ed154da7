/** make, ninja, SCons, doit and Snakemake in the benchmarks: engines whose outputs are files in the project's folder. */
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Engine, jobs, type Line, moveAway, type Project } from './contest.js';
import type { Graph, Stage } from './graph.js';
import type { Tools } from './tools.js';

const inputsOf = ({ needs, files }: Stage) => [
  ...needs.map((need) => `out/${need}`),
  ...files.map((file) => `src/${file}`),
];
const quoted = (names: readonly string[]) => `[${names.map((name) => `'${name}'`).join(', ')}]`;

function project(
  folder: string,
  { stages }: Graph,
  { run, plan, memory }: { run: Line; plan: Line; memory: readonly string[] },
): Project {
  const removeOutputs = () => {
    for (const { name } of stages) rmSync(join(folder, 'out', name), { force: true });
  };
  return {
    run,
    plan,
    removeOutputs,
    clear: () => moveAway(folder, ['out', ...memory]),
    output: (stage) => join(folder, 'out', stage),
  };
}

export function makers(tools: Tools): Engine[] {
  const engines: Engine[] = [];
  const { make, ninja, scons, doit, snakemake } = tools;
  if (make)
    engines.push({
      name: 'make',
      decidesBy: 'file times',
      largest: 10_000,
      write(folder, graph) {
        const { stages } = graph;
        const all = stages.map(({ name }) => `out/${name}`).join(' ');
        const rules = stages.map(
          (stage) => `out/${stage.name}: ${inputsOf(stage).join(' ')}\n\tcat $^ | cksum > $@\n`,
        );
        writeFileSync(
          join(folder, 'makefile'),
          `.PHONY: all\nall: ${all}\n$(shell mkdir -p out)\n${rules.join('')}`,
        );
        const line = (...words: string[]) => ({ program: make, words: ['--silent', ...words], cwd: folder });
        return project(folder, graph, { run: line(`-j${jobs}`), plan: line('-n'), memory: [] });
      },
    });
  if (ninja)
    engines.push({
      name: 'ninja',
      decidesBy: 'file times and command lines',
      largest: 10_000,
      write(folder, graph) {
        const builds = graph.stages.map(
          (stage) => `build out/${stage.name}: r ${inputsOf(stage).join(' ')}\n`,
        );
        writeFileSync(
          join(folder, 'build.ninja'),
          `rule r\n  command = cat $in | cksum > $out\n${builds.join('')}`,
        );
        const line = (...words: string[]) => ({ program: ninja, words: ['--quiet', ...words], cwd: folder });
        const memory = ['.ninja_log', '.ninja_deps'];
        return project(folder, graph, { run: line(`-j${jobs}`), plan: line('-n'), memory });
      },
    });
  if (scons)
    engines.push({
      name: 'scons',
      decidesBy: 'content of inputs (md5), early cut-off',
      largest: 10_000,
      write(folder, graph) {
        const lines = graph.stages.map(
          (stage) =>
            `env.Command('out/${stage.name}', ${quoted(inputsOf(stage))}, 'cat $SOURCES | cksum > $TARGET')\n`,
        );
        writeFileSync(join(folder, 'SConstruct'), `env = Environment()\n${lines.join('')}`);
        const line = (...words: string[]) => ({ program: scons, words: ['-Q', '-s', ...words], cwd: folder });
        return project(folder, graph, {
          run: line(`-j${jobs}`),
          plan: line('-n'),
          memory: ['.sconsign.dblite'],
        });
      },
    });
  if (doit)
    engines.push({
      name: 'doit',
      decidesBy: 'file times, then content of inputs (md5)',
      largest: 10_000,
      write(folder, graph) {
        const file = join(folder, 'dodo.py');
        writeFileSync(
          file,
          "import os\nos.makedirs('out', exist_ok=True)\nDOIT_CONFIG = {'verbosity': 0, 'reporter': 'zero'}\ndef task_s():\n",
        );
        appendFileSync(
          file,
          graph.stages
            .map((stage) => {
              const inputs = inputsOf(stage);
              const action = `cat ${inputs.join(' ')} | cksum > out/${stage.name}`;
              return `    yield dict(name='${stage.name}', actions=['${action}'], file_dep=${quoted(inputs)}, targets=['out/${stage.name}'])\n`;
            })
            .join(''),
        );
        const line = (...words: string[]) => ({ program: doit, words, cwd: folder });
        return project(folder, graph, {
          run: line('run', '-n', String(jobs)),
          plan: line('list', '--all', '--status'),
          memory: ['.doit.db', '.doit.db.db', '.doit.db.dat', '.doit.db.dir', '.doit.db.bak'],
        });
      },
    });
  if (snakemake)
    engines.push({
      name: 'snakemake',
      decidesBy: 'file times, code, parameters, set of inputs',
      largest: 100,
      write(folder, graph) {
        const rules = graph.stages.map(
          (stage) =>
            `rule ${stage.name}:\n    input: ${quoted(inputsOf(stage)).slice(1, -1)}\n    output: 'out/${stage.name}'\n    shell: 'cat {input} | cksum > {output}'\n`,
        );
        const all = `rule all:\n    input: ${quoted(graph.stages.map(({ name }) => `out/${name}`)).slice(1, -1)}\n`;
        writeFileSync(join(folder, 'Snakefile'), all + rules.join(''));
        const line = (...words: string[]) => ({
          program: snakemake,
          words: ['--quiet', 'all', '--cores', String(jobs), ...words],
          cwd: folder,
          // Otherwise it writes into the user's home.
          env: { XDG_CACHE_HOME: join(folder, '.cache') },
        });
        return project(folder, graph, { run: line(), plan: line('-n'), memory: ['.snakemake', '.cache'] });
      },
    });
  return engines;
}
