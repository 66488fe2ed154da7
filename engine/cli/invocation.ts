/** How cemiflow was called: where it is installed, which version, where runs go by default, and the line that calls it again. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of package.json, seen from dist/engine/cli/ as from engine/cli/. */
export const packageRoot: string = findRoot(dirname(fileURLToPath(import.meta.url)));

function findRoot(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (dirname(folder) === folder) throw new Error(`no package.json above ${from}`);
  }
}

export function version(): string {
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  return version;
}

/** In a clone its own runs/, wherever in it one stands; elsewhere runs/ beside one's own files. */
export function defaultRunsDir(cwd: string): string {
  const inClone = `${cwd}${sep}`.startsWith(`${packageRoot}${sep}`);
  return join(inClone ? packageRoot : cwd, 'runs');
}

/** A path as a person would type it from here. */
export function fromHere(path: string, cwd = process.cwd()): string {
  const short = relative(cwd, path);
  return short === '' ? '.' : short.startsWith(`..${sep}..${sep}..`) ? path : short;
}

/** The line that runs the same again: to be pasted into a shell, from the folder one is in. */
export function commandLine(argv: readonly string[] = process.argv, cwd = startFolder): string {
  const [, program = 'cemiflow', ...words] = argv;
  const name = process.env['npm_config_user_agent'] !== undefined ? 'npx cemiflow' : called(program, cwd);
  return [name, ...words.map(quoted)].join(' ');
}

/** -C changes the folder; the line must work where it was typed. '' where that folder is gone: main.ts says so. */
export const startFolder: string = currentFolder();

function currentFolder(): string {
  try {
    return process.cwd();
  } catch {
    return '';
  }
}

function called(program: string, cwd: string): string {
  // A global install's link, or the one in node_modules/.bin, is in PATH.
  if (basename(program) === 'cemiflow') return 'cemiflow';
  return `node ${quoted(fromHere(resolve(cwd, program), cwd))}`;
}

export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
