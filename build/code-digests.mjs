// Writes dist/code-digests.json: for each stage kind the digest of every compiled module that its declaration and its
// implementation import, and the versions of the npm packages that these name. engine/plan/code-digest.ts reads it.
// What cannot change a result is left out: comments, white space, and the words of schemas.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, posix, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import canonicalize from 'canonicalize';
import { build, transform } from 'esbuild';

const ENTRY = '.stage.js';
const sha256 = (content) => createHash('sha256').update(content).digest('hex');

/**
 * @param dist the folder of compiled modules; in it modules are named by their paths from there.
 * @param root the folder of package.json and node_modules.
 */
export async function writeCodeDigests(dist, root) {
  const found = await readdir(join(dist, 'stages'), { recursive: true });
  const modules = found.filter((name) => name.endsWith('.js')).map((name) => `stages/${toSlashes(name)}`);
  const graph = await importGraph(modules.sort(), dist);
  const packages = declaredPackages(root);
  const digests = new Map();
  const kinds = {};
  for (const file of modules.filter((name) => name.endsWith(ENTRY))) {
    const kind = await kindOf(join(dist, file));
    if (kind === undefined) continue;
    const parts = {};
    const uses = {};
    for (const module of [...reachable(file, graph)].sort()) {
      if (!digests.has(module)) digests.set(module, await read(join(dist, module), packages));
      const { digest, names } = digests.get(module);
      parts[module] = digest;
      for (const name of names) uses[name] = packages.get(name);
    }
    kinds[kind] = { file, parts, packages: uses };
  }
  const target = join(dist, 'code-digests.json');
  // Beside and renamed: an engine may be reading.
  await writeFile(`${target}.${process.pid}`, `${JSON.stringify({ kinds }, null, 1)}\n`);
  await rename(`${target}.${process.pid}`, target);
}

const toSlashes = (path) => path.replaceAll('\\', '/');

/** The kind that a declaration states; a declaration that cannot be loaded is said, and its kind is then unknown. */
async function kindOf(file) {
  try {
    return (await import(pathToFileURL(resolve(file)).href)).stage?.kind;
  } catch (error) {
    console.warn(`${file} cannot be loaded, so its kind has no code digest: ${error.message}`);
    return undefined;
  }
}

/** Module -> modules it imports, statically, by a literal dynamic import, or by new URL(..., import.meta.url). */
async function importGraph(entryPoints, dist) {
  const missing = {
    name: 'missing',
    setup(building) {
      building.onResolve({ filter: /^\./ }, ({ path, resolveDir }) =>
        existsSync(resolve(resolveDir, path)) ? undefined : { path, external: true },
      );
    },
  };
  const { metafile } = await build({
    absWorkingDir: resolve(dist),
    entryPoints,
    bundle: true,
    packages: 'external',
    plugins: [missing],
    platform: 'node',
    format: 'esm',
    target: 'node20',
    outdir: 'unused',
    write: false,
    metafile: true,
    logLevel: 'error',
  });
  const graph = new Map();
  for (const [module, { imports }] of Object.entries(metafile.inputs)) {
    const text = readFileSync(join(dist, module), 'utf8');
    const beside = [...text.matchAll(/\bnew URL\(\s*"(\.[^"]+)",\s*import\.meta\.url/g)]
      .map((match) => posix.join(posix.dirname(module), match[1]))
      .filter((path) => existsSync(join(dist, path)));
    graph.set(module, [...imports.filter(({ external }) => !external).map(({ path }) => path), ...beside]);
  }
  return graph;
}

function reachable(from, graph) {
  const seen = new Set();
  const open = [from];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    open.push(...(graph.get(next) ?? []));
  }
  return seen;
}

/** A module's digest, and which of our packages it names (in an import, or in a string that is resolved later). */
async function read(module, packages) {
  const text = await readFile(module, 'utf8');
  if (!module.endsWith('.js')) return { digest: sha256(await readFile(module)), names: [] };
  const names = [...packages.keys()].filter(
    (name) => text.includes(`"${name}"`) || text.includes(`"${name}/`),
  );
  if (/(^|[\\/])schemas[\\/]generated[\\/]/.test(module)) {
    const { schema } = await import(pathToFileURL(resolve(module)).href);
    return { digest: sha256(canonicalize(withoutWords(schema))), names };
  }
  const { code } = await transform(text, { minifyWhitespace: true, legalComments: 'none' });
  return { digest: sha256(code), names };
}

const WORDS = new Set(['title', 'description', '$comment', 'examples', '$id', '$schema']);
/** In these a key is a name the schema's author chose, not a word of JSON Schema. */
const NAMES = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']);

function withoutWords(schema, isNames = false) {
  if (Array.isArray(schema)) return schema.map((item) => withoutWords(item));
  if (typeof schema !== 'object' || schema === null) return schema;
  const kept = Object.entries(schema).filter(([key]) => isNames || !WORDS.has(key));
  return Object.fromEntries(
    kept.map(([key, value]) => [
      key,
      // Values are data, whatever they look like.
      ['default', 'const', 'enum'].includes(key) && !isNames
        ? value
        : withoutWords(value, NAMES.has(key) && !isNames),
    ]),
  );
}

/** Our dependencies and their installed versions; of an optional one that is not installed, the version it would have. */
function declaredPackages(root) {
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return new Map(
    Object.entries({ ...dependencies, ...optionalDependencies }).map(([name, declared]) => {
      const file = join(root, 'node_modules', name, 'package.json');
      return [name, existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).version : declared];
    }),
  );
}
