/** The code of a user's own stage (`uses: ./my-stage.js`): the file and what it imports by relative path, as they are. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { CacheError } from '../cache/trouble.js';

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
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    const content = read(file, module);
    parts[`./${relative(dirname(module), file).replaceAll('\\', '/')}`] = createHash('sha256')
      .update(content)
      .digest('hex');
    if (!/\.[cm]?[jt]s$/.test(file)) continue;
    for (const name of importsOf(content.toString('utf8'))) {
      if (/^\.{1,2}\//.test(name)) {
        const path = resolve(dirname(file), name);
        // What is not there fails when it is imported, with a better message; a word in a string may look like an import.
        if (existsSync(path)) open.push(path);
      } else if (!name.startsWith('node:')) {
        const version = versionOf(name, dirname(file));
        if (version !== undefined) parts[`npm:${packageOf(name)}`] = version;
      }
    }
  }
  return Object.fromEntries(Object.entries(parts).sort(([a], [b]) => (a < b ? -1 : 1)));
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
