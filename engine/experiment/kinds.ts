/** What a stage `uses`: a kind of the registry, or a module of the user's own with the same contract. */
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ArtifactType, StageDeclaration } from '../../stages/contract.js';
import { schemaTrouble } from './faults.js';
import { listed, type Problems } from './problems.js';
import type { StageRegistry } from './registry-type.js';
import type { StageSpec } from './structure.js';
import { typeName } from './tree.js';

const artifactTypes: readonly ArtifactType[] = [
  'images',
  'verification',
  'model',
  'embeddings',
  'centers',
  'groups',
  'result',
  'files',
];

export interface Kind {
  declaration: StageDeclaration;
  /** Absolute path of a user's own module. */
  module?: string;
}

/** By stage name; stages whose kind is not known are missing, and said in `problems`. */
export async function kindsOf(
  specs: Iterable<StageSpec>,
  registry: StageRegistry,
  problems: Problems,
): Promise<Map<string, Kind>> {
  const found = new Map<string, Kind>();
  for (const spec of specs) {
    if (spec.uses === '') continue;
    const kind = /^(\.{1,2}\/|\/)/.test(spec.uses)
      ? await ownKind(spec, problems)
      : knownKind(spec, registry, problems);
    if (kind) found.set(spec.name, kind);
  }
  return found;
}

function knownKind(spec: StageSpec, registry: StageRegistry, problems: Problems): Kind | undefined {
  const declaration = registry.get(spec.uses);
  if (declaration) return { declaration };
  const hint = /\.[cm]?[jt]s$/.test(spec.uses)
    ? `a module of your own begins with ./, as in ./${spec.uses}`
    : `kinds: ${listed(registry.kinds().sort())}`;
  problems.add(
    spec.usesSpan,
    `there is no stage kind '${spec.uses}'${problems.suggest(spec.uses, registry.kinds())}`,
    hint,
  );
  return undefined;
}

async function ownKind(spec: StageSpec, problems: Problems): Promise<Kind | undefined> {
  const module = resolve(spec.usesFolder, spec.uses);
  const refuse = (message: string, hint?: string): undefined => {
    problems.add(spec.usesSpan, `'${spec.uses}' ${message}`, hint);
    return undefined;
  };
  if (!existsSync(module)) return refuse('does not exist', 'the path is relative to the file that says it');
  let exported: unknown;
  try {
    exported = ((await import(pathToFileURL(module).href)) as { stage?: unknown }).stage;
  } catch (error) {
    return refuse(`cannot be loaded: ${firstLine(error)}`, loadingRemedy(module, error));
  }
  if (exported === undefined)
    return refuse(
      "exports no 'stage'",
      'export const stage = { kind, summary, schema, inputs, outputs, seeded, device, load }',
    );
  const wrong = wrongPart(exported);
  if (wrong !== undefined)
    return refuse(
      `exports a stage that is not complete: ${wrong}`,
      'the contract is StageDeclaration in stages/contract.ts',
    );
  const declaration = exported as StageDeclaration;
  const trouble = schemaTrouble(declaration.schema);
  return trouble === undefined
    ? { declaration: checkedOutputs(declaration), module }
    : refuse(`has a schema that is no JSON Schema: ${trouble}`);
}

/** What it threw may be anything. */
function firstLine(error: unknown): string {
  return String((error as { message?: unknown } | undefined | null)?.message ?? error).split('\n', 1)[0]!;
}

function loadingRemedy(module: string, error: unknown): string {
  const { code } = (error ?? {}) as { code?: string };
  if (/\.[cm]?ts$/.test(module) && code === 'ERR_UNKNOWN_FILE_EXTENSION')
    return `this Node (${process.version}) runs no TypeScript: take 22.18 or newer, or compile it: npx esbuild ${basename(module)} --outfile=${basename(module).replace(/ts$/, 'js')}`;
  if (code === 'ERR_MODULE_NOT_FOUND')
    return 'install the package beside it, or correct the path of the import';
  if (error instanceof SyntaxError)
    return 'a stage is an ES module: import and export, in a .mjs or under "type": "module"';
  return 'it is loaded to ask what the stage takes: its work belongs into what load() imports';
}

/** What a user's declaration lacks; the compiler checks ours. */
function wrongPart(exported: unknown): string | undefined {
  if (typeof exported !== 'object' || exported === null) return `it is ${typeName(exported)}`;
  const stage = exported as Record<string, unknown>;
  const wanted: Record<string, string[]> = {
    kind: ['string'],
    summary: ['string'],
    schema: ['object'],
    inputs: ['object'],
    outputs: ['object', 'function'],
    seeded: ['boolean'],
    device: ['boolean'],
    load: ['function'],
  };
  for (const [name, types] of Object.entries(wanted)) {
    const type = stage[name] === null ? 'null' : typeof stage[name];
    if (!types.includes(type))
      return `${name} is ${type === 'undefined' ? 'missing' : typeName(stage[name])}, not a ${types.join(' or a ')}`;
  }
  for (const [name, input] of Object.entries(stage['inputs'] as Record<string, unknown>)) {
    const { types } = (input ?? {}) as { types?: unknown };
    const wrong = types === 'any' ? undefined : Array.isArray(types) ? wrongType(types) : 'a list of types';
    if (wrong !== undefined) return `inputs.${name}.types must be 'any' or ${wrong}`;
  }
  const { outputs } = stage;
  return typeof outputs === 'function' ? undefined : wrongOutputs(outputs);
}

function wrongOutputs(outputs: unknown): string | undefined {
  if (typeof outputs !== 'object' || outputs === null) return `outputs is ${typeName(outputs)}, not a map`;
  for (const [name, output] of Object.entries(outputs)) {
    const wrong = wrongType([((output ?? {}) as { type?: unknown }).type]);
    if (wrong !== undefined) return `outputs.${name}.type must be ${wrong}`;
  }
  return undefined;
}

/** What must stand where one of them is no type of artifact. */
function wrongType(types: readonly unknown[]): string | undefined {
  return types.every((type) => artifactTypes.some((known) => known === type))
    ? undefined
    : `of ${artifactTypes.join(', ')}`;
}

/** What a function of the user's own gives is looked at when it gives it. */
function checkedOutputs(declaration: StageDeclaration): StageDeclaration {
  const { outputs } = declaration;
  if (typeof outputs !== 'function') return declaration;
  return {
    ...declaration,
    outputs: (settings) => {
      const given = outputs(settings);
      const wrong = wrongOutputs(given);
      if (wrong !== undefined) throw new Error(wrong);
      return given;
    },
  };
}
