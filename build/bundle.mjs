// Puts the command line and what it loads into a few files, dist/engine/cli/main.js and chunk-*.js beside it: a start reads twenty files
// instead of three hundred. The declarations of stages are taken in; what works stays apart, and so do processes of their own. A key is
// the digest of the modules in dist/stages, which an attempt loads, never of these.
import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { build } from 'esbuild';

/** Packages of many small files that nearly every run loads. The others are looked up when they are needed. */
const TAKEN_IN = /^(execa|commander|p-queue|canonicalize|picocolors|fastest-levenshtein|simple-statistics)$/;
/** An engine that has been running for hours may still load a part of the build it began with. */
const KEPT_DAYS = 7;

/** @param dist the folder of compiled modules */
export async function bundleCommandLine(dist) {
  const folder = join(dist, 'engine/cli');
  const inDist = (path) => relative(resolve(dist), path).replaceAll('\\', '/');
  const apart = {
    name: 'apart',
    setup(building) {
      building.onResolve({ filter: /^\./ }, ({ path, resolveDir, kind }) => {
        const from = inDist(resolve(resolveDir, path));
        // All files of the bundle lie as deep as modules of engine/*/ do: paths from there hold.
        return kind === 'dynamic-import' && inDist(resolveDir).startsWith('stages')
          ? { path: `../../${from}`, external: true }
          : undefined;
      });
      building.onResolve({ filter: /^[^./]/ }, ({ path, importer }) =>
        importer.includes('node_modules') || TAKEN_IN.test(path) ? undefined : { path, external: true },
      );
    },
  };
  const { outputFiles } = await build({
    entryPoints: [join(folder, 'main.js')],
    outdir: folder,
    bundle: true,
    splitting: true,
    chunkNames: 'chunk-[hash]',
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    plugins: [apart],
    // For packages in CommonJS.
    banner: {
      js: "import { createRequire as requireOf } from 'node:module';\nconst require = requireOf(import.meta.url);",
    },
    logLevel: 'warning',
  });
  const names = new Set(outputFiles.map(({ path }) => basename(path)));
  // The entry last: whoever starts meanwhile finds all that it names.
  for (const { path, contents } of outputFiles.sort((a, b) => Number(isEntry(a)) - Number(isEntry(b))))
    await writeFile(path, contents);
  for (const name of await readdir(folder)) {
    if (!/^chunk-.*\.js$/.test(name) || names.has(name)) continue;
    if (Date.now() - (await stat(join(folder, name))).mtimeMs > KEPT_DAYS * 86_400_000)
      await rm(join(folder, name));
  }
}

const isEntry = ({ path }) => basename(path) === 'main.js';
