/** wireit and nx in the benchmarks: runners of npm scripts with a cache, from which they restore outputs. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Engine, jobs, moveAway } from './contest.js';
import type { Stage } from './graph.js';
import type { Tools } from './tools.js';

const command = ({ name, needs, files }: Stage) =>
  `cat ${[...needs.map((need) => `out/${need}`), ...files.map((file) => `src/${file}`)].join(' ')} | cksum > out/${name}`;
const json = (value: unknown) => JSON.stringify(value, null, 1);

export function npmRunners({ npm, modules }: Tools): Engine[] {
  if (!npm || !modules) return [];
  return [
    {
      name: 'wireit',
      decidesBy: 'content of source files (sha256), keys of dependencies; outputs copied into a cache',
      largest: 1000,
      write(folder, { stages }) {
        const scripts = Object.fromEntries([
          ...stages.map(({ name }) => [name, 'wireit']),
          ['all', 'wireit'],
        ]);
        const wireit = Object.fromEntries(
          stages.map((stage) => [
            stage.name,
            {
              command: command(stage),
              dependencies: stage.needs,
              files: stage.files.map((file) => `src/${file}`),
              output: [`out/${stage.name}`],
            },
          ]),
        );
        writeFileSync(
          join(folder, 'package.json'),
          json({ scripts, wireit: { ...wireit, all: { dependencies: stages.map(({ name }) => name) } } }),
        );
        symlinkSync(modules, join(folder, 'node_modules'));
        mkdirSync(join(folder, 'out'));
        const removeOutputs = () => {
          rmSync(join(folder, 'out'), { recursive: true, force: true });
          mkdirSync(join(folder, 'out'));
        };
        return {
          run: {
            program: npm,
            words: ['run', '--silent', 'all'],
            cwd: folder,
            env: { WIREIT_PARALLEL: String(jobs), WIREIT_LOGGER: 'quiet-ci' },
          },
          removeOutputs,
          clear() {
            moveAway(folder, ['out', '.wireit']);
            mkdirSync(join(folder, 'out'));
          },
          output: (stage) => join(folder, 'out', stage),
        };
      },
    },
    {
      name: 'nx',
      decidesBy: "content of source files and of dependencies' outputs; outputs copied into a cache",
      largest: 1000,
      // The cost of a stage grows with the length of the chain: minutes at 1,000.
      not: ['chain-1000'],
      write(folder, { stages }) {
        const targets = Object.fromEntries(
          stages.map((stage) => [
            stage.name,
            {
              executor: 'nx:run-commands',
              cache: true,
              options: { command: command(stage), cwd: '.' },
              dependsOn: stage.needs,
              inputs: [
                ...stage.files.map((file) => `{projectRoot}/src/${file}`),
                ...stage.needs.map((need) => ({ dependentTasksOutputFiles: `out/${need}` })),
              ],
              outputs: [`{projectRoot}/out/${stage.name}`],
            },
          ]),
        );
        const all = { executor: 'nx:noop', dependsOn: stages.map(({ name }) => name) };
        writeFileSync(join(folder, 'package.json'), json({ name: 'graph', private: true }));
        writeFileSync(join(folder, 'nx.json'), json({ neverConnectToCloud: true, analytics: false }));
        writeFileSync(
          join(folder, 'project.json'),
          json({ name: 'graph', root: '.', targets: { ...targets, all } }),
        );
        symlinkSync(modules, join(folder, 'node_modules'));
        mkdirSync(join(folder, 'out'));
        const line = (...words: string[]) => ({
          program: process.execPath,
          words: [join(modules, 'nx/dist/bin/nx.js'), ...words],
          cwd: folder,
          env: {
            NX_DAEMON: 'false',
            NX_NO_CLOUD: 'true',
            NX_TUI: 'false',
            NX_CACHE_DIRECTORY: join(folder, '.nx/cache'),
            NX_WORKSPACE_DATA_DIRECTORY: join(folder, '.nx/data'),
          },
        });
        const removeOutputs = () => {
          rmSync(join(folder, 'out'), { recursive: true, force: true });
          mkdirSync(join(folder, 'out'));
        };
        return {
          run: line('run', 'graph:all', `--parallel=${jobs}`, '--outputStyle=static'),
          plan: line('run', 'graph:all', '--graph=stdout'),
          removeOutputs,
          clear() {
            moveAway(folder, ['out', '.nx']);
            mkdirSync(join(folder, 'out'));
          },
          output: (stage) => join(folder, 'out', stage),
        };
      },
    },
  ];
}
