/** The columns of a comparison, whatever it is printed as. Percentages with two digits, as papers print them. */
import type { Comparison, ComparisonRow } from './compare.js';
import { sizeInWords } from './training-data.js';

export interface Column {
  title: string;
  /** `result`: accuracies; `data`: of the set behind. A table that is too wide is parted here. */
  part: 'row' | 'result' | 'data';
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
  const columns: Column[] = [{ title: 'row', part: 'row', value: (row) => row.label }];
  const add = (part: Column['part'], title: string, value: Column['value']) =>
    columns.push({ title, part, value });
  for (const protocol of protocols) {
    const metric = `${protocol}/accuracy`;
    // Five protocols with their errors would not fit a line.
    const error = protocols.length <= 2 ? `${metric}_se` : undefined;
    add('result', protocol, (row) => accuracy(row, metric, error));
  }
  add('result', 'AVG', (row) =>
    row.std === null
      ? accuracy(row, 'avg/accuracy', 'avg/accuracy_se')
      : `${percent(row.metrics['avg/accuracy'])} ± ${percent(row.std)}`,
  );
  if (rows.some((row) => row.n > 1)) add('result', 'n', (row) => String(row.n));
  if (rows.some((row) => row.gtr !== null)) add('result', 'GtR', (row) => percent(row.gtr));
  if (rows.some((row) => row.data))
    add('data', 'ids × images', ({ data }) => (data ? sizeInWords(data.used) : ''));
  if (new Set(rows.flatMap(({ data }) => data?.epochs ?? [])).size > 1)
    add('data', 'epochs', ({ data }) => (data?.epochs == null ? '' : String(data.epochs)));
  const measured: [string, string][] = [
    ['eid_similarity/mean', 'sim E_id'],
    ['judge_similarity/mean', 'sim judge'],
    ['judge_sharpness', 'sharpness'],
    ['judge_frechet', 'Frechet'],
  ];
  for (const [metric, title] of measured)
    if (has(metric)) add('data', title, (row) => plain(row.metrics[metric]));
  return columns;
}

/** What the figures are, for under the table. */
export function legendOf({ baseline, rows }: Comparison): string {
  const [one, more] = [rows.some((row) => row.n === 1), rows.some((row) => row.n > 1)];
  const error = [
    one ? `one standard error over folds${more ? ' (n = 1)' : ''}` : '',
    more ? `standard deviation over n ${one ? 'replicas (n > 1)' : 'replicas'}` : '',
  ];
  return [
    `Accuracy in %; ±: ${error.filter(Boolean).join(', ')}.`,
    baseline === null ? '' : `GtR: AVG of ${baseline} minus AVG, points.`,
    rows.some((row) => row.data) ? 'ids × images: what the model was trained on.' : '',
  ]
    .filter(Boolean)
    .join(' ');
}
