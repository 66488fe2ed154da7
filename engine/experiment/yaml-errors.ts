/** What the YAML library objects to -> problems in the words of people who write experiments, each mistake once. */
import type { CST, YAMLError } from 'yaml';
import type { Problems } from './problems.js';
import type { Source, Span } from './source.js';

/** The first few say enough. */
const said = 5;

/** @param start offset in the source of the text that was parsed */
export function sayYamlErrors(
  errors: readonly YAMLError[],
  tokens: readonly CST.Token[],
  source: Source,
  start: number,
  problems: Problems,
): void {
  const text = source.text.slice(start);
  const span = (from: number, to: number): Span => ({ source, start: start + from, end: start + to });
  const conflict = /^<{7}(?: .*)?$[^]*^={7}$[^]*^>{7}(?: .*)?$/m.exec(text);
  if (conflict) {
    problems.add(
      span(conflict.index, conflict.index + 7),
      'a merge of two versions was left unfinished here',
      'keep one of the two, and remove the lines <<<<<<<, ======= and >>>>>>>',
    );
    return;
  }
  const bare = errors.map(({ pos }) => bareExpression(text, pos[0])).find((found) => found !== undefined);
  if (bare) {
    problems.add(
      span(bare.start, bare.end),
      'an expression within { } or [ ] needs quotes',
      `write "${text.slice(bare.start, bare.end)}"`,
    );
    return;
  }
  const open = unclosed(tokens);
  if (open) {
    const [sign, closing] = open.source === '{' ? ['{', '}'] : ['[', ']'];
    problems.add(
      span(open.offset, open.offset + 1),
      `this '${sign}' is never closed`,
      `end it with '${closing}'`,
    );
    return;
  }
  for (const { code, message, pos } of errors.slice(0, said)) {
    const [sentence, hint] = sayError(code, message, source.line(source.position(start + pos[0]).line));
    // The fault of an indented line is not in its spaces.
    const from =
      code === 'TAB_AS_INDENT' ? pos[0] : pos[0] + /^ */.exec(text.slice(pos[0], pos[0] + 200))![0].length;
    problems.add(span(from, Math.max(from + 1, pos[1])), sentence, hint);
  }
}

function sayError(code: string, message: string, line: string): [string, string | undefined] {
  if (code === 'TAB_AS_INDENT') return ['a tab is used to indent', 'YAML indents with spaces only'];
  // The library's own first sentence; its place and code frame are drawn by ours.
  const sentence = message.split('\n')[0]!.replace(/ at line \d+, column \d+:?$/, '');
  return [`not valid YAML: ${sentence.charAt(0).toLowerCase()}${sentence.slice(1)}`, remedy(code, line)];
}

function remedy(code: string, line: string): string | undefined {
  switch (code) {
    case 'MULTILINE_IMPLICIT_KEY':
      return /^\s*(?:- )*[\w-]+:[^\s/]/.test(line) ? 'a key needs a space after its colon' : undefined;
    case 'BAD_INDENT':
      return 'indent it as the keys that it belongs to';
    case 'BLOCK_IN_FLOW':
      return /\bpath: \S/.test(line) ? 'write path: without a space behind it' : 'quote it if it is text';
    case 'BLOCK_AS_IMPLICIT_KEY':
    case 'BAD_SCALAR_START':
      return 'quote it if it is text';
    default:
      return undefined;
  }
}

/** An expression without quotes where YAML reads its braces: the library stumbles over the first or the second of them. */
function bareExpression(text: string, at: number): { start: number; end: number } | undefined {
  const start = text.lastIndexOf('${{', at);
  if (start < 0 || at - start > 2) return undefined;
  const end = text.indexOf('}}', start);
  return end < 0 || text.slice(start, end).includes('\n') ? undefined : { start, end: end + 2 };
}

/** The innermost bracket that nothing closes, of the first such. */
function unclosed(tokens: readonly CST.Token[]): CST.SourceToken | undefined {
  const open: (CST.Token | null | undefined)[] = [...tokens];
  let found: CST.SourceToken | undefined;
  while (open.length > 0) {
    const token = open.pop();
    if (!token) continue;
    if (token.type === 'document') open.push(token.value);
    else if (token.type === 'block-map' || token.type === 'block-seq' || token.type === 'flow-collection')
      for (const item of token.items) {
        if ('key' in item) open.push(item.key);
        open.push(item.value);
      }
    if (
      token.type === 'flow-collection' &&
      !token.end.some(
        ({ type }) => type === (token.start.source === '{' ? 'flow-map-end' : 'flow-seq-end'),
      ) &&
      (!found || token.start.offset > found.offset)
    )
      found = token.start as CST.SourceToken;
  }
  return found;
}
