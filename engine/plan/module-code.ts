/**
 * What of a module's text can change what it does: its syntax tree, which knows no comments, white space or line breaks. Of a text that
 * is not understood, all of it.
 */
import * as nodeModule from 'node:module';
import { type Comment, type Options, parse } from 'acorn';

export interface ModuleCode {
  /** The same for two texts that do the same. */
  meaning: string;
  /** The text with blanks for its comments. */
  withoutComments: string;
}

/** @param file its name; the ending says how Node reads it */
export function moduleCode(file: string, text: string): ModuleCode {
  const script = /\.[cm]?ts$/.test(file) ? withoutTypes(text) : text;
  for (const sourceType of sourceTypes(file)) {
    const code = script === undefined ? undefined : understood(script, sourceType);
    if (code) return code;
  }
  return { meaning: text, withoutComments: text };
}

/** A .js file is a module or a script; which of them, package.json says, or else the syntax. */
function sourceTypes(file: string): ('module' | 'script')[] {
  if (/\.m[jt]s$/.test(file)) return ['module'];
  if (/\.c[jt]s$/.test(file)) return ['script'];
  return ['module', 'script'];
}

function understood(text: string, sourceType: 'module' | 'script'): ModuleCode | undefined {
  const comments: Comment[] = [];
  const options: Options = {
    ecmaVersion: 'latest',
    sourceType,
    onComment: comments,
    allowHashBang: true,
    allowReturnOutsideFunction: sourceType === 'script',
  };
  try {
    const meaning = JSON.stringify([sourceType, parse(text, options)], meaningOf);
    return { meaning, withoutComments: blanked(text, comments) };
  } catch {
    // No JavaScript, newer than our parser, or nested too deeply: if it runs, nothing may be left out.
    return undefined;
  }
}

/** Without places; of a literal how it is written, but for the quotes of a string. Values may be no JSON: 1n, 1e999, /x/. */
function meaningOf(key: string, value: unknown): unknown {
  if (key === 'start' || key === 'end') return undefined;
  const node = value as { type?: unknown; value?: unknown; raw?: unknown } | null;
  if (node?.type !== 'Literal') return value;
  return typeof node.value === 'string' ? ['string', node.value] : ['literal', node.raw];
}

function blanked(text: string, comments: readonly Comment[]): string {
  let from = 0;
  let rest = '';
  for (const { start, end } of comments) {
    rest += `${text.slice(from, start)} `;
    from = end;
  }
  return rest + text.slice(from);
}

/** As Node runs TypeScript: types are blanked. undefined where this Node cannot, or the file has more of TypeScript than types. */
function withoutTypes(text: string): string | undefined {
  // Of Node 22.13 and newer; those that run a stage in TypeScript have it.
  const { stripTypeScriptTypes } = nodeModule as { stripTypeScriptTypes?: (code: string) => string };
  if (!stripTypeScriptTypes) return undefined;
  // Node has said already, when it loaded the stage, that this is experimental.
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return stripTypeScriptTypes(text);
  } catch {
    return undefined;
  } finally {
    process.emitWarning = emitWarning;
  }
}
