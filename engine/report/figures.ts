/** The report's plots and pictures of faces. */
import { figure, Html, html, image, raw, section } from './page.js';
import { pointName } from '../experiment/matrix.js';
import type { PlannedStage } from '../journal/events.js';
import { type Material, readJson, readPicture, readRoc } from './material.js';
import { accuracyPlot, axisOf, drawSvg, type LossCurve, lossPlot, rocPlot, similarityPlot } from './plots.js';

/** Whether the file's `report.plots` asks for it; where it names none, all are drawn. */
const wants = ({ run }: Material, name: string) => run.started.report.plots?.includes(name) ?? true;

export interface Plot {
  /** Of a file, without its ending. */
  name: string;
  caption: string;
  svg: string;
}

/** The plots that the file asks for and the run has figures for. */
export async function drawPlots(material: Material): Promise<Plot[]> {
  const { run, comparison, folder } = material;
  const drawn: Plot[] = [];
  const draw = async (name: string, spec: Parameters<typeof drawSvg>[0] | undefined, caption: string) => {
    if (spec) drawn.push({ name, caption, svg: await drawSvg(spec) });
  };
  const axis = axisOf(comparison.rows);
  if (axis && wants(material, 'accuracy-over-m'))
    await draw(
      'accuracy',
      accuracyPlot(comparison, axis),
      `AVG accuracy over ${axis}; bars: one standard error. Dashed: rows without ${axis}.`,
    );
  if (axis && wants(material, 'similarity'))
    await draw(
      'similarity',
      similarityPlot(comparison, axis),
      `Mean cosine of generated images with their inquiry image over ${axis}. Dashed: sets without ${axis}.`,
    );
  const rocs = comparison.rows.map((row) => ({ row, points: readRoc(folder(row.stage)) }));
  const first = comparison.rows.some((row) => row.n > 1) ? ' Of replicas, the first.' : '';
  for (const protocol of wants(material, 'roc') ? comparison.protocols : []) {
    const of = rocs
      .map(({ row, points }) => ({ row, points: points.get(protocol) ?? [] }))
      .filter(({ points }) => points.length > 0);
    if (of.length > 0)
      await draw(`roc-${protocol}`, rocPlot(of, comparison.rows, protocol), `ROC on ${protocol}.${first}`);
  }
  for (const kind of wants(material, 'loss') ? ['diffusion-train', 'fr-train'] : []) {
    const curves = [...run.series].flatMap(([name, metrics]): LossCurve[] => {
      const stage = run.planned.get(name);
      const points = metrics.get('loss') ?? [];
      // A point is no curve.
      if (stage?.kind !== kind || points.length < 2) return [];
      const { seed, ...point } = stage.point;
      return [{ stage: name, series: seed === undefined ? name : pointName(stage.stage, point), points }];
    });
    const replicas = new Set(curves.map(({ series }) => series)).size < curves.length;
    if (curves.length > 0)
      await draw(
        `loss-${kind}`,
        lossPlot(curves, `loss (${kind})`),
        `Training loss, ${kind}. ${replicas ? 'Replicas have one colour. ' : ''}Stages served by the cache have no curve here.`,
      );
  }
  return drawn;
}

export async function plots(material: Material): Promise<Html> {
  const drawn = (await drawPlots(material)).map(({ svg, caption }) => figure(raw(svg), caption));
  return drawn.length === 0 ? raw('') : section('Plots', html`<div class="plots">${drawn}</div>`);
}

interface Strips {
  inquiry: Buffer | undefined;
  /** Stages with their points, in the order of the file. */
  stages: Map<string, PlannedStage[]>;
}

/** Inquiry images, then one column a matrix point; stages with the same inquiry images stand beside each other. */
export function grids(material: Material): Html {
  if (!wants(material, 'samples')) return raw('');
  const { run, folder } = material;
  const found = new Map<string, Strips>();
  for (const stage of run.started.stages) {
    if (!readPicture(folder(stage.name), 'strip.png')) continue;
    const inquiry = readPicture(folder(stage.name), 'inquiry.png');
    const same = inquiry?.toString('base64') ?? stage.stage;
    const strips = found.get(same) ?? { inquiry, stages: new Map<string, PlannedStage[]>() };
    found.set(same, strips);
    strips.stages.set(stage.stage, [...(strips.stages.get(stage.stage) ?? []), stage]);
  }
  if (found.size === 0) return raw('');
  const column = (picture: Buffer, alternative: string, words: string) =>
    html`<div>${image(picture, alternative, true)}<br />${words}</div>`;
  const group = (name: string, columns: readonly Html[]) =>
    html`<div class="group">
      <div class="name">${name}</div>
      <div class="columns">${columns}</div>
    </div>`;
  const grid = ({ inquiry, stages }: Strips) =>
    figure(
      html`<div class="grid">
        ${inquiry && group('', [column(inquiry, 'inquiry images', 'inquiry')])}
        ${[...stages].map(([name, points]) =>
          group(
            name,
            points.map((stage) =>
              column(readPicture(folder(stage.name), 'strip.png')!, stage.name, pointOf(stage)),
            ),
          ),
        )}
      </div>`,
      `Each row is one inquiry image, one column a point${stages.size > 1 ? '; ' : ' of the matrix; '}along a row of one stage the noise is the same.`,
    );
  return section('Generated faces', html`${[...found.values()].map(grid)}`);
}

/** "m = 0.5" */
function pointOf(stage: PlannedStage): string {
  const point = Object.entries(stage.point).map(([name, value]) => `${name} = ${value}`);
  // A space that keeps the picture's line as high as the others'.
  return point.join(', ') || '\u00a0';
}

export function pictures({ run, folder }: Material): Html {
  const sheets = run.started.stages.flatMap((stage) =>
    Object.keys(stage.outputs).flatMap((output) => {
      const inside = folder(stage.name, output);
      const picture = readPicture(inside, 'strip.png') ? undefined : readPicture(inside, 'sample.png');
      return picture
        ? [
            {
              stage,
              picture,
              caption:
                (readJson(inside, 'sample.json')?.['caption'] as string | undefined) ??
                `${stage.name} (${stage.kind})`,
            },
          ]
        : [];
    }),
  );
  if (sheets.length === 0) return raw('');
  return section(
    'Pictures',
    html`${sheets.map(({ stage, picture, caption }) => figure(image(picture, stage.name, true), caption))}`,
  );
}
