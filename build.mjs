// Compiles engine/, stages/, test/bench/ and test/kill/ file by file into dist/, and schemas/*.json into types.
// Type errors are `npm run typecheck`'s business: a build must work in a second, also on a user's machine.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { compile } from 'json-schema-to-typescript';
import { bundleCommandLine } from './build/bundle.mjs';
import { writeCodeDigests } from './build/code-digests.mjs';
import { writeValidators } from './build/validators.mjs';

process.chdir(dirname(new URL(import.meta.url).pathname));

async function files(folder, ending) {
  const entries = await readdir(folder, { recursive: true }).catch(() => []);
  return entries
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name))
    .sort();
}

/**
 * One module per schema, with the schema itself and, for stage kinds, the types of their settings. The other schemas describe
 * documents that are checked and not typed.
 */
async function schemaModules() {
  await mkdir('schemas/generated', { recursive: true });
  for (const path of await files('schemas', '.schema.json')) {
    const schema = JSON.parse(await readFile(path, 'utf8'));
    const target = path.replace('schemas/', 'schemas/generated/').replace('.schema.json', '.ts');
    const bannerComment = `// Generated from ${path} by build.mjs; change the schema instead.`;
    const types = path.startsWith('schemas/stages/')
      ? await compile(schema, schema.title, {
          bannerComment,
          additionalProperties: false,
          cwd: dirname(path),
          format: false,
        })
      : `${bannerComment}\n`;
    const text = `${types}\n/** The schema itself, draft 2020-12. */\nexport const schema: Record<string, unknown> = ${JSON.stringify(schema, null, 2)};\n`;
    await mkdir(dirname(target), { recursive: true });
    if ((await readFile(target, 'utf8').catch(() => '')) !== text) await writeFile(target, text);
  }
}

function compiled(entryPoints, options = {}) {
  return build({
    entryPoints: entryPoints.filter((name) => !name.endsWith('.d.ts')),
    outdir: 'dist',
    outbase: '.',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
    ...options,
  });
}

await schemaModules();
// Maps lie beside the modules, which do not name them: errors in compiled steps find the line of a stage's source by them.
await compiled(await files('stages', '.ts'), { sourcemap: 'external', sourcesContent: false });
await compiled([
  ...(await files('engine', '.ts')),
  ...(await files('schemas/generated', '.ts')),
  ...(await files('test/bench', '.ts')),
  ...(await files('test/kill', '.ts')),
  // The benchmarks of tracking need a server.
  'test/mlflow/server.ts',
  'test/engine/tracking/stand-in.ts',
]);
await compiled([await writeValidators('dist')]);
await bundleCommandLine('dist');
await writeCodeDigests('dist', '.');
