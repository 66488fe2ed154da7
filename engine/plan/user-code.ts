/**
 * The code of a user's own stage (`uses: ./my-stage.js`): the file and what it imports by path, without what cannot change a result
 * (comments, white space, types), and the packages these name, by version. What they read in other ways is not seen.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CacheError } from '../cache/trouble.js';
import { moduleCode } from './module-code.js';

/** Static and literal dynamic imports, re-exports, require, and `new URL('./x', import.meta.url)`. */
const IMPORTS = [
  /\b(?:import|export)\b[^'"`;()]*?\bfrom\s*(['"])(.+?)\1/g,
  /\bimport\s*(['"])(.+?)\1/g,
  /\b(?:import|require|require\.resolve)\s*\(\s*(['"`])([^'"`$]+?)\1\s*[,)]/g,
  /\bnew\s+URL\(\s*(['"`])(\.{1,2}\/[^'"`$]+?)\1\s*,\s*import\.meta\.url/g,
];

/**
 * Digest of each file by its path from the module's folder, and version of each package by `npm:<package>`.
 * Throws a CacheError where the module cannot be read.
 */
export function userCode(module: string): Record<string, string> {
  const parts: Record<string, string> = {};
  const seen = new Set<string>();
  const open = [module];
  const addPackage = (name: string, from: string) => {
    const version = versionOf(name, dirname(from));
    if (version !== undefined) parts[`npm:${packageOf(name)}`] = version;
  };
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    const content = read(file, module);
    const code = /\.[cm]?[jt]s$/.test(file) ? moduleCode(file, content.toString('utf8')) : undefined;
    parts[`./${relative(dirname(module), file).replaceAll('\\', '/')}`] = createHash('sha256')
      .update(code?.meaning ?? content)
      .digest('hex');
    for (const name of importsOf(code?.withoutComments ?? '')) {
      if (/^(\.{1,2}(\/|$)|\/|file:|#)/.test(name)) {
        const path = located(name, file);
        const inPackage = /.*[\\/]node_modules[\\/](.+)$/.exec(path ?? '')?.[1];
        if (inPackage !== undefined) addPackage(inPackage.replaceAll('\\', '/'), file);
        // What is not there fails when it is imported, with a better message; a word in a string may look like an import.
        else if (path !== undefined) open.push(path);
      } else if (!name.startsWith('node:')) addPackage(name, file);
    }
  }
  return Object.fromEntries(Object.entries(parts).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The file that a name means: a URL as `import` reads it, or else a path as `require` does, which adds endings. */
function located(name: string, from: string): string | undefined {
  try {
    const path = name.startsWith('#') ? undefined : fileURLToPath(new URL(name, pathToFileURL(from)));
    if (path !== undefined && statSync(path, { throwIfNoEntry: false })?.isFile()) return path;
    return createRequire(from).resolve(name);
  } catch {
    return undefined;
  }
}

function read(file: string, module: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new CacheError(
      `cannot read the code of the stage ${module}: ${(error as Error).message}`,
      'Correct the path after `uses:`; it is looked for beside the experiment file.',
      { cause: error },
    );
  }
}

function importsOf(text: string): string[] {
  return IMPORTS.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[2]!));
}

const packageOf = (name: string) => name.split('/', name.startsWith('@') ? 2 : 1).join('/');

/** As Node resolves it: the nearest node_modules upwards that has the package. */
function versionOf(name: string, from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const file = join(folder, 'node_modules', packageOf(name), 'package.json');
    if (existsSync(file)) return (JSON.parse(readFileSync(file, 'utf8')) as { version?: string }).version;
    if (dirname(folder) === folder) return undefined;
  }
}
