/** The comparison as a table for a terminal, as wide as it is; as a CSV file; as Markdown. */
import Table from 'cli-table3';
import { columnsOf, legendOf, type Column } from './columns.js';
import type { Comparison, ComparisonRow } from './compare.js';

/** @param width of the terminal, in letters; without one a row is one line */
export function terminalTable(comparison: Comparison, width = Infinity): string {
  const { short, legend } = shortRuns(comparison);
  const { rows, notices } = short;
  const said = [legendOf(short), ...legend, ...notices.map((notice) => `! ${notice}`)];
  return [
    `${tables(columnsOf(short), rows, width).join('\n\n')}\n`,
    ...said.map((text) => `${wrapped(text, width)}\n`),
  ].join('');
}

/** Labels with the last four digits of a run instead of its whole name, where these tell the runs apart. */
function shortRuns(comparison: Comparison): { short: Comparison; legend: string[] } {
  const runs = [...new Set(comparison.rows.flatMap(({ members }) => members.map(({ run }) => run)))];
  const brief = new Map(runs.map((run) => [run, run.slice(-4)]));
  if (runs.length < 2 || new Set(brief.values()).size < runs.length) return { short: comparison, legend: [] };
  const shorten = (text: string) => runs.reduce((said, run) => said.replaceAll(run, brief.get(run)!), text);
  return {
    short: {
      ...comparison,
      baseline: comparison.baseline && shorten(comparison.baseline),
      rows: comparison.rows.map((row) => ({ ...row, label: shorten(row.label) })),
      notices: comparison.notices.map(shorten),
    },
    legend: [`Runs: ${runs.map((run) => `${brief.get(run)} is ${run}`).join(', ')}.`],
  };
}

/** Narrower and narrower: heads on one line, heads broken, no spaces around ±. */
const styles = [
  { broken: false, tight: false },
  { broken: true, tight: false },
  { broken: true, tight: true },
] as const;
type Style = (typeof styles)[number];

/** One table where it fits, else one for the results and one for the data behind them, else as many as it takes. */
function tables(columns: readonly Column[], rows: readonly ComparisonRow[], width: number): string[] {
  const whole = fitting(columns, rows, width);
  if (whole !== undefined) return [whole];
  const [name, ...rest] = columns as [Column, ...Column[]];
  const parts = (['result', 'data'] as const)
    .map((part) => rest.filter((column) => column.part === part))
    .filter((part) => part.length > 0);
  return parts.flatMap((part) => {
    const drawn: string[] = [];
    for (let from = 0; from < part.length;) {
      let to = part.length;
      let table = fitting([name, ...part.slice(from, to)], rows, width);
      while (table === undefined && to > from + 1)
        table = fitting([name, ...part.slice(from, --to)], rows, width);
      // One column that is too wide is shown all the same.
      drawn.push(table ?? draw([name, part[from]!], rows, styles[2]));
      from = to;
    }
    return drawn;
  });
}

function fitting(
  columns: readonly Column[],
  rows: readonly ComparisonRow[],
  width: number,
): string | undefined {
  for (const style of styles) {
    const table = draw(columns, rows, style);
    if (table.split('\n').every((line) => line.length <= width)) return table;
  }
  return undefined;
}

function draw(columns: readonly Column[], rows: readonly ComparisonRow[], { broken, tight }: Style): string {
  const cells = rows.map((row) =>
    columns.map((column) => (tight ? column.value(row).replace(' ± ', '±') : column.value(row))),
  );
  const heads = columns.map(({ title }, i) =>
    broken ? brokenTitle(title, Math.max(...cells.map((row) => row[i]!.length))) : title,
  );
  const table = new Table({
    head: heads.map((content) => ({ content, vAlign: 'bottom' }) as unknown as string),
    colAligns: columns.map((_, i) => (i === 0 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 0 },
    chars: {
      top: '',
      'top-mid': '',
      'top-left': '',
      'top-right': '',
      bottom: '',
      'bottom-mid': '',
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      right: '',
      middle: '  ',
      mid: '─',
      'mid-mid': '──',
      'left-mid': '',
      'right-mid': '',
    },
  });
  table.push(...cells);
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** "frontal_profile" on two lines where the figures under it are narrow; "age gap" on one, if there is room for both words. */
function brokenTitle(title: string, room: number): string {
  const words = title.split(title.includes(' ') ? ' ' : '_');
  const longest = Math.max(room, ...words.map((word) => word.length));
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    const longer = last === undefined ? word : `${last} ${word}`;
    if (last === undefined || longer.length > longest) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines.join('\n');
}

/** Broken between words, the lines after the first two in. */
function wrapped(text: string, width: number): string {
  let line = '';
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = `  ${word}`;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\n');
}

export function csvTable(comparison: Comparison): string {
  const metrics = [...new Set(comparison.rows.flatMap((row) => Object.keys(row.metrics)))].sort();
  const quote = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const head = ['label', 'run', 'stage', 'n', 'gtr', 'std', 'identities', 'images', ...metrics];
  const lines = comparison.rows.map((row) =>
    [
      row.label,
      row.run,
      row.stage,
      row.n,
      row.gtr ?? '',
      row.std ?? '',
      row.data?.used.identities ?? '',
      row.data?.used.images ?? '',
      ...metrics.map((name) => row.metrics[name] ?? ''),
    ].map(String),
  );
  return [head, ...lines].map((line) => line.map(quote).join(',')).join('\n') + '\n';
}

export function markdownTable(comparison: Comparison): string {
  const columns = columnsOf(comparison);
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [
    line(columns.map((column) => column.title)),
    line(columns.map((_, i) => (i === 0 ? '---' : '---:'))),
    ...comparison.rows.map((row) => line(columns.map((column) => column.value(row)))),
  ].join('\n');
}
