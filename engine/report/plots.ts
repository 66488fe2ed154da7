/** The report's plots as Vega-Lite specifications, and their drawing to SVG without a browser. */
import type { TopLevelSpec } from 'vega-lite';
import type { Comparison, ComparisonRow } from './compare.js';
import type { MetricPoint } from './run.js';

const colours = [
  '#2a6fbb',
  '#d1603d',
  '#3b8f5a',
  '#8a5fb0',
  '#b8912b',
  '#4aa3a8',
  '#a34a6b',
  '#6b7280',
  '#1f3a5f',
  '#7a9e3b',
];

const config: TopLevelSpec['config'] = {
  font: 'Helvetica, Arial, sans-serif',
  background: 'transparent',
  axis: {
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    gridColor: '#e3e3e0',
    domainColor: '#999',
    tickColor: '#999',
  },
  legend: {
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    labelLimit: 260,
    orient: 'bottom',
    columns: 2,
  },
  view: { stroke: null },
  range: { category: colours },
};

/** Narrow enough for two beside each other. */
const base = {
  $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
  width: 400,
  height: 230,
  config,
} as const;

/** From pale to dark, for points along an axis. */
const ramp = ['#9ecae9', '#6baed6', '#4292c6', '#2171b5', '#0b559f', '#083370'];

/**
 * A colour for each row, the same in every plot: rows with a point on the axis get darker along it, the others one of their own.
 */
function rowColours(rows: readonly ComparisonRow[]) {
  const axis = axisOf(rows);
  const swept = rows
    .filter((row) => axis !== undefined && typeof row.params[axis] === 'number')
    .sort((a, b) => Number(a.params[axis!]) - Number(b.params[axis!]));
  const others = rows.filter((row) => !swept.includes(row));
  const colourOf = (row: ComparisonRow) => {
    const i = swept.indexOf(row);
    if (i < 0) return colours[(1 + others.indexOf(row)) % colours.length]!;
    return ramp[Math.round((i / Math.max(1, swept.length - 1)) * (ramp.length - 1))]!;
  };
  return { domain: rows.map((row) => row.label), range: rows.map(colourOf) };
}

/** Ticks at the points themselves, where they are few; else where Vega puts them. */
const ticksAt = (values: readonly unknown[]) => {
  const distinct = [...new Set(values)] as number[];
  return distinct.length <= 9
    ? { axis: { values: distinct, labelExpr: 'datum.value', labelFlush: false as const } }
    : {};
};

/** A number that rows vary over (m, most often), or undefined where they do not. */
export function axisOf(rows: readonly ComparisonRow[]): string | undefined {
  const names = new Set(rows.flatMap((row) => Object.keys(row.params)));
  return [...names].find(
    (name) =>
      new Set(rows.map((row) => row.params[name]).filter((value) => typeof value === 'number')).size >= 2,
  );
}

/** AVG over the axis, with the error of each point; rows without the axis (the baseline, DCFace) as level lines. */
export function accuracyPlot(comparison: Comparison, axis: string): TopLevelSpec {
  const swept = comparison.rows.filter((row) => typeof row.params[axis] === 'number');
  const level = comparison.rows.filter((row) => row.params[axis] === undefined);
  const points = swept.map((row) => {
    const avg = row.metrics['avg/accuracy']! * 100;
    const error = errorOf(row) * 100;
    return {
      x: row.params[axis],
      y: avg,
      low: avg - error,
      high: avg + error,
      series: row.label.split('@')[0],
    };
  });
  const lines = level.map((row) => ({ y: row.metrics['avg/accuracy']! * 100, series: row.label }));
  // The colours that these rows have in the other plots; a sweep is one series here.
  const { domain, range } = rowColours(level);
  const sweeps = [...new Set(points.map((point) => point.series))];
  const scale = { domain: [...sweeps, ...domain], range: [...sweeps.map(() => colours[0]!), ...range] };
  const colour = { field: 'series', type: 'nominal', title: null, scale } as const;
  const x = {
    field: 'x',
    type: 'quantitative',
    title: axis,
    scale: { zero: false },
    ...ticksAt(points.map((point) => point.x)),
  } as const;
  const y = { field: 'y', type: 'quantitative', title: 'AVG accuracy, %', scale: { zero: false } } as const;
  return {
    ...base,
    layer: [
      {
        data: { values: points },
        mark: { type: 'errorbar', ticks: { size: 10 }, rule: { strokeWidth: 1.5 } },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color: colour },
      },
      {
        data: { values: points },
        // Small, since the bars of replicas are short.
        mark: { type: 'line', point: { size: 16, filled: true } },
        encoding: { x, y, color: colour },
      },
      {
        data: { values: lines },
        mark: { type: 'rule', strokeDash: [6, 4], strokeWidth: 1.8 },
        encoding: { y, color: colour },
      },
    ],
  };
}

/** One standard error of a row's AVG: over replicas where there are some, else over folds. */
function errorOf(row: ComparisonRow): number {
  if (row.std !== null) return row.std / Math.sqrt(row.n);
  return row.metrics['avg/accuracy_se'] ?? 0;
}

/** Measured mean similarity to the inquiry image over the axis, under E_id and under the judge. */
export function similarityPlot(comparison: Comparison, axis: string): TopLevelSpec | undefined {
  const judges = {
    'eid_similarity/mean': 'under E_id',
    'judge_similarity/mean': 'under an independent judge',
  };
  const values = Object.entries(judges).flatMap(([metric, name]) =>
    comparison.rows
      .filter((row) => typeof row.params[axis] === 'number' && row.metrics[metric] !== undefined)
      .map((row) => ({ x: row.params[axis], y: row.metrics[metric], series: name })),
  );
  if (values.length === 0) return undefined;
  const level = Object.entries(judges).flatMap(([metric, name]) =>
    comparison.rows
      .filter((row) => row.params[axis] === undefined && row.metrics[metric] !== undefined)
      .map((row) => ({ y: row.metrics[metric], series: name })),
  );
  const colour = { field: 'series', type: 'nominal', title: null } as const;
  const y = { field: 'y', type: 'quantitative', title: 'mean cosine' } as const;
  const x = {
    field: 'x',
    type: 'quantitative',
    title: axis,
    ...ticksAt(values.map((value) => value.x)),
  } as const;
  return {
    ...base,
    layer: [
      {
        data: { values },
        mark: { type: 'line', point: { size: 60, filled: true } },
        encoding: { x, y, color: colour },
      },
      {
        data: { values: level },
        mark: { type: 'rule', strokeDash: [6, 4], strokeWidth: 1.8 },
        encoding: { y, color: colour },
      },
    ],
  };
}

export interface RocPoint {
  far: number;
  tar: number;
}

/** ROC with a logarithmic FAR axis, a line a row. */
export function rocPlot(
  curves: readonly { row: ComparisonRow; points: readonly RocPoint[] }[],
  rows: readonly ComparisonRow[],
  title: string,
): TopLevelSpec {
  const values = curves.flatMap(({ row, points }) =>
    points
      .filter((point) => point.far > 0)
      .map((point) => ({ x: point.far, y: point.tar, series: row.label })),
  );
  const least = Math.min(...values.map(({ x }) => x));
  const decades = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1].filter((far) => far >= least);
  return {
    ...base,
    title: { text: title, fontSize: 13, fontWeight: 'normal', anchor: 'start' },
    data: { values },
    mark: { type: 'line', strokeWidth: 1.6 },
    encoding: {
      x: {
        field: 'x',
        type: 'quantitative',
        title: 'false accept rate',
        scale: { type: 'log' },
        axis: { values: decades, labelFlush: false },
      },
      y: { field: 'y', type: 'quantitative', title: 'true accept rate', scale: { zero: false } },
      color: { field: 'series', type: 'nominal', title: null, scale: rowColours(rows) },
    },
  };
}

export interface LossCurve {
  stage: string;
  /** Its name in the legend, which replicas share. */
  series: string;
  points: readonly MetricPoint[];
}

/** Training loss over steps, a line a stage, thinned to what a plot can show; replicas have one colour. */
export function lossPlot(curves: readonly LossCurve[], title: string): TopLevelSpec {
  const values = curves.flatMap(({ stage, series, points }) => {
    const every = Math.ceil(points.length / 200);
    return points
      .filter((_, i) => i % every === 0)
      .map((point) => ({ x: point.step, y: point.value, stage, series }));
  });
  return {
    ...base,
    data: { values },
    mark: { type: 'line', strokeWidth: 1.4 },
    encoding: {
      x: { field: 'x', type: 'quantitative', title: 'step' },
      y: { field: 'y', type: 'quantitative', title, scale: { zero: false } },
      color: { field: 'series', type: 'nominal', title: null, sort: null },
      detail: { field: 'stage', type: 'nominal' },
    },
  };
}

/** Draws a specification. Vega is heavy, so it is loaded here and not at start-up. */
export async function drawSvg(spec: TopLevelSpec): Promise<string> {
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
  const view = new vega.View(vega.parse(vegaLite.compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
