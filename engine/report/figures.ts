/** The report's plots and pictures of faces. */
import { figure, Html, html, image, raw, section } from './page.js';
import type { PlannedStage } from '../journal/events.js';
import { type Material, readJson, readPicture, readRoc } from './material.js';
import { accuracyPlot, axisOf, drawSvg, lossPlot, rocPlot, similarityPlot } from './plots.js';

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
      `Mean similarity of generated images to their inquiry image over ${axis}.`,
    );
  const curves = comparison.rows.map((row) => ({ label: row.label, points: readRoc(folder(row.stage)) }));
  for (const protocol of wants(material, 'roc') ? comparison.protocols : []) {
    const of = curves
      .map(({ label, points }) => ({ label, points: points.get(protocol) ?? [] }))
      .filter(({ points }) => points.length > 0);
    if (of.length > 0) await draw(`roc-${protocol}`, rocPlot(of, protocol), `ROC on ${protocol}.`);
  }
  for (const kind of wants(material, 'loss') ? ['diffusion-train', 'fr-train'] : []) {
    const losses = new Map(
      [...run.series].flatMap(([stage, metrics]) =>
        run.planned.get(stage)?.kind === kind && metrics.has('loss') ? [[stage, metrics.get('loss')!]] : [],
      ),
    );
    if (losses.size > 0)
      await draw(
        `loss-${kind}`,
        lossPlot(losses, `loss (${kind})`),
        `Training loss, ${kind}. Stages served by the cache have no curve here.`,
      );
  }
  return drawn;
}

export async function plots(material: Material): Promise<Html> {
  const drawn = (await drawPlots(material)).map(({ svg, caption }) => figure(raw(svg), caption));
  return drawn.length === 0 ? raw('') : section('Plots', html`<div class="plots">${drawn}</div>`);
}

/** For each stage with strips: inquiry images, then one column a matrix point. The same rows, the same noise. */
export function grids(material: Material): Html {
  if (!wants(material, 'samples')) return raw('');
  const { run, folder } = material;
  const byStage = new Map<string, PlannedStage[]>();
  for (const stage of run.started.stages) {
    if (readPicture(folder(stage.name), 'strip.png'))
      byStage.set(stage.stage, [...(byStage.get(stage.stage) ?? []), stage]);
  }
  if (byStage.size === 0) return raw('');
  const grid = ([name, points]: [string, PlannedStage[]]) => {
    const inquiry = readPicture(folder(points[0]!.name), 'inquiry.png');
    const columns = points.map(
      (stage) =>
        html`<div>
          ${image(readPicture(folder(stage.name), 'strip.png')!, stage.name, true)}<br />${label(stage)}
        </div>`,
    );
    return figure(
      html`<div class="strips">
        ${inquiry && html`<div class="gap">${image(inquiry, 'inquiry images', true)}<br />inquiry</div>`}${columns}
      </div>`,
      `${name}: rows are inquiry images, one column a point; noise is the same along a row.`,
    );
  };
  return section('Generated faces', html`<div class="plots">${[...byStage].map(grid)}</div>`);
}

function label(stage: PlannedStage): string {
  const point = Object.entries(stage.point).map(([name, value]) => `${name} = ${value}`);
  return point.length > 0 ? point.join(', ') : stage.name;
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
    html`<div class="plots">
      ${sheets.map(({ stage, picture, caption }) => figure(image(picture, stage.name, true), caption))}
    </div>`,
  );
}
