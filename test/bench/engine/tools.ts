/**
 * The peers' programs: those of the machine, and the rest installed at fixed versions into a folder of the benchmark's own
 * ($XDG_CACHE_HOME/cemiflow-bench), never into the repository. What cannot be had is said, and left out.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface Tools {
  make?: string;
  ninja?: string;
  scons?: string;
  doit?: string;
  snakemake?: string;
  npm?: string;
  /** A node_modules with wireit and nx. */
  modules?: string;
}

const python = ['ninja==1.13.2', 'scons==4.11.1', 'doit==0.37.0', 'snakemake==9.27.1'];
const node = ['wireit@0.14.13', 'nx@24.0.6'];

export function findTools(): { tools: Tools; missing: string[] } {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'cemiflow-bench');
  const bin = join(cache, 'python/bin');
  const missing: string[] = [];
  const works = (program: string) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
  const tried = (program: string, words: readonly string[]) => {
    const { status, error, stderr } = spawnSync(program, words, {
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
    });
    if (status !== 0)
      missing.push(
        `${program} ${words.slice(0, 2).join(' ')} failed: ${error?.message ?? stderr.trim().split('\n').at(-1)}`,
      );
    return status === 0;
  };
  if (!existsSync(join(bin, 'snakemake')) && tried('python3', ['-m', 'venv', join(cache, 'python')]))
    // One by one: one that cannot be had takes no other away.
    for (const name of python) tried(join(bin, 'pip'), ['install', '--quiet', name]);
  const modules = join(cache, 'node/node_modules');
  if (!existsSync(join(modules, 'nx')))
    tried('npm', [
      'install',
      '--silent',
      '--no-audit',
      '--no-fund',
      '--prefix',
      join(cache, 'node'),
      ...node,
    ]);

  const tools: Tools = {};
  for (const name of ['make', 'ninja', 'scons', 'doit', 'snakemake', 'npm'] as const) {
    const program = [join(bin, name), name].find(works);
    if (program === undefined) missing.push(`${name} is not here`);
    else tools[name] = program;
  }
  if (existsSync(join(modules, 'nx')) && existsSync(join(modules, 'wireit'))) tools.modules = modules;
  else missing.push('wireit and nx are not here');
  return { tools, missing };
}
