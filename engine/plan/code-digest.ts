/**
 * The digest of the code a stage kind is made of: the modules its declaration and its implementation import, without
 * their comments, and the versions of the npm packages these use. The build works it out (dist/code-digests.json,
 * written by build.mjs), so asking costs nothing at run time.
 */
import { readFileSync } from 'node:fs';
import { CacheError, isMissing } from '../cache/trouble.js';
import { type Digest, digestOf } from '../digest.js';

export interface CodeDigest {
  digest: Digest;
  /** By module (from the package's root) its digest, and by `npm:<package>` its version. */
  parts: Readonly<Record<string, string>>;
}

/** What build.mjs writes. */
interface BuiltDigests {
  kinds: Record<string, { file: string; parts: Record<string, string>; packages: Record<string, string> }>;
}

const known = new Map<string, Promise<CodeDigest>>();

/**
 * @param module absolute path of a user's own stage: it and its imports are read now.
 * Throws a CacheError where the build does not know the kind.
 */
export function codeDigest(kind: string, module?: string): Promise<CodeDigest> {
  const name = module ?? kind;
  let digest = known.get(name);
  if (!digest) {
    digest =
      module === undefined
        ? Promise.resolve().then(() => of(builtParts(kind)))
        : import('./user-code.js').then(({ userCode }) => of(userCode(module)));
    known.set(name, digest);
  }
  return digest;
}

function of(parts: Record<string, string>): CodeDigest {
  return { digest: digestOf('code/1', parts) as Digest, parts };
}

function builtParts(kind: string): Record<string, string> {
  const found = built().kinds[kind];
  if (!found) {
    throw new CacheError(
      `the build does not know the code of stage kind '${kind}'`,
      'Build again: npm run build.',
    );
  }
  const packages = Object.entries(found.packages).map(([name, version]) => [`npm:${name}`, version]);
  return { ...found.parts, ...Object.fromEntries(packages) };
}

let digests: BuiltDigests | undefined;
function built(): BuiltDigests {
  digests ??= readBuilt();
  return digests;
}

function readBuilt(): BuiltDigests {
  // Beside the compiled engine; seen from the sources, as tests run them, in dist/.
  for (const place of ['../../code-digests.json', '../../dist/code-digests.json']) {
    try {
      return JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as BuiltDigests;
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  throw new CacheError('dist/code-digests.json is missing', 'Build first: npm run build.');
}
