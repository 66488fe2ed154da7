/** Diagnostics as people read them: place, sentence, the line with what is wrong underlined, remedy. Pure. */
import { isAbsolute, relative } from 'node:path';
import { createColors } from 'picocolors';
import type { Diagnostic } from './experiment.js';

export interface PrintOptions {
  color: boolean;
  /** Files below it are shown relative to it; the process's folder where absent. */
  cwd?: string;
}

/** Widest part of a line that is shown; longer ones are cut around what is wrong. */
const widest = 120;

/**
 *     experiments/ablation.yaml:14:9  'lamda' is not a setting of diffusion-train. Did you mean 'lambda'?
 *       14 |         lamda: 0.05
 *          |         ~~~~~        it takes batch, epochs, lambda, lr, m (cemiflow schema diffusion-train)
 */
export function printDiagnostics(
  diagnostics: readonly Diagnostic[],
  { color, cwd = process.cwd() }: PrintOptions,
): string {
  const paint = createColors(color);
  return diagnostics.map((diagnostic) => print(diagnostic, paint, cwd)).join('\n\n') + '\n';
}

function print(diagnostic: Diagnostic, paint: ReturnType<typeof createColors>, cwd: string): string {
  const { place, message, hint, text } = diagnostic;
  const lines = [`${paint.bold(placeText(diagnostic, cwd))}  ${message}`];
  if (text === undefined) {
    if (hint !== undefined) lines.push(`  ${hint}`);
    return lines.join('\n');
  }
  const gutter = String(place.line);
  const { line, column } = cut(text, place.column);
  const length = Math.max(1, Math.min(diagnostic.length, line.length - column + 1));
  // Tabs stay tabs, so that the underline is below what it means.
  const margin = line.slice(0, column - 1).replace(/[^\t]/g, ' ');
  const marks = paint.red('~'.repeat(length));
  lines.push(`  ${paint.dim(`${gutter} |`)} ${line}`);
  lines.push(
    `  ${paint.dim(`${' '.repeat(gutter.length)} |`)} ${margin}${marks}${hint === undefined ? '' : `  ${hint}`}`,
  );
  return lines.join('\n');
}

/** `file:line:column`, and through what the value came; a --set is its own place. */
function placeText({ place }: Diagnostic, cwd: string): string {
  if (place.file.startsWith('--')) return place.file;
  const near = relative(cwd, place.file);
  const file = near === '' || near.startsWith('..') || isAbsolute(near) ? place.file : near;
  return `${file}:${place.line}:${place.column}${place.origin === undefined ? '' : ` (${place.origin})`}`;
}

function cut(text: string, column: number): { line: string; column: number } {
  if (text.length <= widest) return { line: text, column };
  const start = Math.max(0, Math.min(column - 1 - 40, text.length - widest));
  const head = start > 0 ? '...' : '';
  const tail = start + widest < text.length ? '...' : '';
  return { line: `${head}${text.slice(start, start + widest)}${tail}`, column: column - start + head.length };
}
