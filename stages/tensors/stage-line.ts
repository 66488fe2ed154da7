/**
 * Where in a stage's code something happened: the innermost call of a stack that is neither tfjs' nor this library's own, as file:line
 * of the source it was written in. Stages run compiled; the source map beside a compiled file (or in its last line) leads back.
 */
import { existsSync, readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { dirname, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const library = dirname(fileURLToPath(import.meta.url));

/**
 * @param stack of an Error. What lies deeper than Error.stackTraceLimit, usually 10 calls, is not in it
 * @returns `stages/diffusion/unet.ts:97`, from the current folder where the file is below it; undefined where no call is a stage's
 */
export function stageLine(stack: string | undefined): string | undefined {
  for (const line of stack?.split('\n') ?? []) {
    // The path may have spaces and parentheses, as a folder's copy has.
    const frame = /(?: \(| at (?:async )?)((?:file:\/\/|\/|[A-Z]:).+?):(\d+):(\d+)\)?$/.exec(line);
    if (!frame) continue;
    const file = frame[1]!.startsWith('file://') ? fileURLToPath(frame[1]!) : frame[1]!;
    if (file.startsWith(library + sep) || file.includes(`${sep}node_modules${sep}`)) continue;
    // tfjs brings source maps that lead to files it does not bring.
    if (!existsSync(file)) continue;
    const source = written(file, Number(frame[2]), Number(frame[3]));
    const near = relative(process.cwd(), source.file);
    return `${near.startsWith('..') ? source.file : near}:${source.line}`;
  }
  return undefined;
}

/**
 * An error whose message begins with the stage's line.
 * @param stack that leads there; default: the one of the call
 */
export function placedError(message: string, stack = deepStack(), options?: ErrorOptions): Error {
  const place = stageLine(stack);
  return new Error(place === undefined ? message : `${place}: ${message}`, options);
}

/** The stack of the call, deeper than usual: tfjs and trees of arguments put many calls between the stage's line and what refuses it. */
function deepStack(): string | undefined {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 200;
  const { stack } = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  return stack;
}

/** A place in a compiled file as the place in its source; line and column count from 1. */
function written(file: string, line: number, column: number): { file: string; line: number } {
  const map = sourceMapOf(file);
  const entry = map?.content.findEntry(line - 1, column - 1);
  return map && entry && 'originalSource' in entry
    ? { file: resolve(dirname(map.file), entry.originalSource), line: entry.originalLine + 1 }
    : { file, line };
}

function sourceMapOf(file: string): { file: string; content: SourceMap } | undefined {
  try {
    const named = /\n\/\/# sourceMappingURL=(\S+)\s*$/.exec(readFileSync(file, 'utf8'))?.[1];
    const inline = named === undefined ? null : /^data:application\/json[^,]*;base64,(.*)$/.exec(named);
    const path = resolve(dirname(file), named === undefined || inline ? `${file}.map` : named);
    const text = inline ? Buffer.from(inline[1]!, 'base64').toString() : readFileSync(path, 'utf8');
    return { file: path, content: new SourceMap(JSON.parse(text) as never) };
  } catch {
    // No map, or none that can be read: the compiled place is better than nothing.
    return undefined;
  }
}
