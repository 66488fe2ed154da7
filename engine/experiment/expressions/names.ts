/** What an expression names: `params.a.b`, `matrix.m`, `env.HOME`, as paths. */
import type { Syntax } from './parser.js';

/** Names that are computed (`params[env.WHICH]`) end where the computing begins. */
export function* namesIn(syntax: Syntax): Generator<string[]> {
  switch (syntax.type) {
    case 'literal':
      return;
    case 'name':
      yield [syntax.name];
      return;
    case 'member': {
      const path = pathOf(syntax);
      if (path) yield path;
      else {
        yield* namesIn(syntax.of);
        yield* namesIn(syntax.key);
      }
      return;
    }
    case 'values':
    case 'unary':
      yield* namesIn(syntax.of);
      return;
    case 'binary':
      yield* namesIn(syntax.left);
      yield* namesIn(syntax.right);
      return;
    case 'call':
      for (const arg of syntax.args) yield* namesIn(arg);
  }
}

function pathOf(syntax: Syntax): string[] | undefined {
  if (syntax.type === 'name') return [syntax.name];
  if (syntax.type !== 'member' || syntax.key.type !== 'literal') return undefined;
  const of = pathOf(syntax.of);
  return of && [...of, String(syntax.key.value)];
}
