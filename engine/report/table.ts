/** The comparison as a table for a terminal, a CSV file, and Markdown. Percentages with two digits, as papers print them. */
import Table from 'cli-table3';
import type { Comparison, ComparisonRow } from './compare.js';

export interface Column {
  title: string;
  value(row: ComparisonRow): string;
}

const percent = (value: number | undefined | null) =>
  value === undefined || value === null ? '' : (value * 100).toFixed(2);
const plain = (value: number | undefined) => (value === undefined ? '' : value.toFixed(3));

/** With its standard error, where there is one and it is asked for. */
function accuracy(row: ComparisonRow, metric: string, error: string | undefined): string {
  const se = error === undefined ? undefined : row.metrics[error];
  return percent(row.metrics[metric]) + (se === undefined ? '' : ` ± ${percent(se)}`);
}

/** The columns that have something to show. */
export function columnsOf({ protocols, rows }: Comparison): Column[] {
  const has = (metric: string) => rows.some((row) => row.metrics[metric] !== undefined);
  const columns: Column[] = [{ title: 'row', value: (row) => row.label }];
  for (const protocol of protocols) {
    const metric = `${protocol}/accuracy`;
    // Five protocols with their errors would not fit a line.
    const error = protocols.length <= 2 ? `${metric}_se` : undefined;
    columns.push({ title: protocol, value: (row) => accuracy(row, metric, error) });
  }
  columns.push({
    title: 'AVG',
    value: (row) =>
      row.std === null
        ? accuracy(row, 'avg/accuracy', 'avg/accuracy_se')
        : `${percent(row.metrics['avg/accuracy'])} ± ${percent(row.std)}`,
  });
  if (rows.some((row) => row.n > 1)) columns.push({ title: 'n', value: (row) => String(row.n) });
  if (rows.some((row) => row.gtr !== null)) columns.push({ title: 'GtR', value: (row) => percent(row.gtr) });
  if (has('eid_similarity/mean'))
    columns.push({ title: 'sim E_id', value: (row) => plain(row.metrics['eid_similarity/mean']) });
  if (has('judge_similarity/mean'))
    columns.push({ title: 'sim judge', value: (row) => plain(row.metrics['judge_similarity/mean']) });
  if (has('judge_sharpness'))
    columns.push({ title: 'sharpness', value: (row) => plain(row.metrics['judge_sharpness']) });
  if (has('judge_frechet'))
    columns.push({ title: 'Frechet', value: (row) => plain(row.metrics['judge_frechet']) });
  return columns;
}

export function terminalTable(comparison: Comparison): string {
  const columns = columnsOf(comparison);
  const table = new Table({
    head: columns.map((column) => column.title),
    colAligns: columns.map((_, i) => (i === 0 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
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
      middle: ' ',
      mid: '─',
      'mid-mid': '─',
      'left-mid': '',
      'right-mid': '',
    },
  });
  table.push(...comparison.rows.map((row) => columns.map((column) => column.value(row))));
  const baseline =
    comparison.baseline === null ? '' : `GtR: AVG of ${comparison.baseline} minus AVG, points.\n`;
  return `${table.toString()}\nAccuracy in %; ±: standard error, or standard deviation over n replicas. ${baseline}${comparison.notices.map((notice) => `! ${notice}\n`).join('')}`;
}

export function csvTable(comparison: Comparison): string {
  const metrics = [...new Set(comparison.rows.flatMap((row) => Object.keys(row.metrics)))].sort();
  const quote = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const head = ['label', 'run', 'stage', 'n', 'gtr', 'std', ...metrics];
  const lines = comparison.rows.map((row) =>
    [
      row.label,
      row.run,
      row.stage,
      row.n,
      row.gtr ?? '',
      row.std ?? '',
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
