/**
 * The report of a run: one HTML file with the comparison, plots, pictures, protocol cards and what every stage cost.
 * Pictures and curves are read from artifacts by file name, so that any stage can add some:
 *   sample.png  a sheet worth showing;   strip.png  one column of a grid over the matrix, with inquiry.png as its first column;
 *   roc.csv     protocol,far,tar;        result.json { card, ledger }.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { JsonObject } from '../../stages/contract.js';
import type { Digest } from '../digest.js';
import type { PlannedStage } from '../journal/events.js';
import { type Comparison, type CompareSource, compareRuns } from './compare.js';
import { figure, Html, html, image, page, raw, section, table } from './page.js';
import { accuracyPlot, axisOf, drawSvg, lossPlot, rocPlot, type RocPoint, similarityPlot } from './plots.js';
import { ancestors, type RunRecord } from './run.js';
import { columnsOf } from './table.js';

/** Where the artifact with that digest lies; undefined where the cache no longer has it. */
export type ArtifactFolder = (digest: Digest) => string | undefined;

interface Material {
  run: RunRecord;
  comparison: Comparison;
  /** The folder of an instance's output, the primary one without a name. */
  folder(stage: string, output?: string): string | undefined;
}

/** A run with its cards, as `compareRuns` takes it. */
export function compareSource(run: RunRecord, artifact: ArtifactFolder): CompareSource {
  const folder = folderOf(run, artifact);
  return {
    run,
    card: (stage) => (readJson(folder(stage), 'result.json')?.['card'] as JsonObject | undefined) ?? null,
  };
}

/** Writes the page beside and renames it in. @returns its path */
export async function writeReport(run: RunRecord, artifact: ArtifactFolder, file: string): Promise<string> {
  const comparison = compareRuns([compareSource(run, artifact)]);
  const material = { run, comparison, folder: folderOf(run, artifact) };
  const title = run.started.report.title ?? run.started.name;
  const body = [
    heading(material, title),
    results(material),
    await plots(material),
    grids(material),
    pictures(material),
    ledgers(material),
    cards(material),
    stages(material),
  ];
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.part`, page(title, body));
  await rename(`${file}.part`, file);
  return file;
}

function folderOf(run: RunRecord, artifact: ArtifactFolder): Material['folder'] {
  return (stage, output) => {
    const outputs = run.results.get(stage)?.outputs ?? {};
    const record =
      output === undefined
        ? outputs[Object.keys(run.planned.get(stage)?.outputs ?? outputs)[0] ?? '']
        : outputs[output];
    return record && artifact(record.digest);
  };
}

function readJson(folder: string | undefined, name: string): JsonObject | undefined {
  if (!folder || !existsSync(join(folder, name))) return undefined;
  return JSON.parse(readFileSync(join(folder, name), 'utf8')) as JsonObject;
}

function readPicture(folder: string | undefined, name: string): Buffer | undefined {
  return folder && existsSync(join(folder, name)) ? readFileSync(join(folder, name)) : undefined;
}

function heading({ run }: Material, title: string): Html {
  const { started, ended } = run;
  const facts = [
    `run ${started.run}`,
    started.at.slice(0, 16).replace('T', ' ') + ' UTC',
    ended ? `${ended.status} after ${duration(ended.seconds)}` : 'not ended',
    `device ${started.device}`,
    `seed ${started.seed}`,
    started.git
      ? `commit ${started.git.commit.slice(0, 10)}${started.git.dirty ? ', with changes' : ''}`
      : 'no git commit',
    `cemiflow ${started.version}`,
  ];
  const warnings = [...run.results.values()].flatMap((result) =>
    result.warnings.map((text) => `${result.stage}: ${text}`),
  );
  const notes = [...(started.report.notes ?? []), ...warnings];
  return html`<h1>${title}</h1>
    <p class="soft">${facts.join(' · ')}</p>
    <pre>${started.command.join(' ')}</pre>
    ${
      notes.length > 0 &&
      html`<ul class="notes">
        ${notes.map((note) => html`<li>${note}</li>`)}
      </ul>`
    }`;
}

function results({ comparison }: Material): Html {
  if (comparison.rows.length === 0) return raw('');
  const columns = columnsOf(comparison);
  const rows = comparison.rows.map((row) => columns.map((column) => column.value(row)));
  const baseline =
    comparison.baseline === null ? '' : ` GtR: AVG of ${comparison.baseline} (marked) minus AVG, in points.`;
  return section(
    'Comparison',
    html`${table(
        columns.map((column) => column.title),
        rows,
        (i) => comparison.rows[i]!.label === comparison.baseline,
      )}
      <p class="soft">1:1 verification accuracy in %; AVG is the mean of the protocols.${baseline}</p>
      ${
        comparison.notices.length > 0 &&
        html`<ul class="notes">
          ${comparison.notices.map((notice) => html`<li>${notice}</li>`)}
        </ul>`
      }`,
  );
}

async function plots({ run, comparison, folder }: Material): Promise<Html> {
  const drawn: Html[] = [];
  const draw = async (spec: Parameters<typeof drawSvg>[0] | undefined, caption: string) => {
    if (spec) drawn.push(figure(raw(await drawSvg(spec)), caption));
  };
  const axis = axisOf(comparison.rows);
  if (axis) {
    await draw(
      accuracyPlot(comparison, axis),
      `AVG accuracy over ${axis}; bars: one standard error. Dashed: rows without ${axis}.`,
    );
    await draw(
      similarityPlot(comparison, axis),
      `Mean similarity of generated images to their inquiry image over ${axis}.`,
    );
  }
  const curves = comparison.rows.map((row) => ({ label: row.label, points: readRoc(folder(row.stage)) }));
  for (const protocol of comparison.protocols.slice(0, 5)) {
    const of = curves
      .map(({ label, points }) => ({ label, points: points.get(protocol) ?? [] }))
      .filter(({ points }) => points.length > 0);
    if (of.length > 0) await draw(rocPlot(of, protocol), `ROC on ${protocol}.`);
  }
  for (const kind of ['diffusion-train', 'fr-train']) {
    const losses = new Map(
      [...run.series].flatMap(([stage, metrics]) =>
        run.planned.get(stage)?.kind === kind && metrics.has('loss') ? [[stage, metrics.get('loss')!]] : [],
      ),
    );
    if (losses.size > 0)
      await draw(
        lossPlot(losses, `loss (${kind})`),
        `Training loss, ${kind}. Stages served by the cache have no curve here.`,
      );
  }
  return drawn.length === 0 ? raw('') : section('Plots', html`<div class="plots">${drawn}</div>`);
}

/** roc.csv: protocol,far,tar with a header line. */
function readRoc(folder: string | undefined): Map<string, RocPoint[]> {
  const curves = new Map<string, RocPoint[]>();
  if (!folder || !existsSync(join(folder, 'roc.csv'))) return curves;
  for (const line of readFileSync(join(folder, 'roc.csv'), 'utf8').trim().split('\n').slice(1)) {
    const [protocol, far, tar] = line.split(',');
    const points = curves.get(protocol!) ?? [];
    curves.set(protocol!, points);
    points.push({ far: Number(far), tar: Number(tar) });
  }
  return curves;
}

/** For each stage with strips: inquiry images, then one column a matrix point. The same rows, the same noise. */
function grids({ run, folder }: Material): Html {
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

function pictures({ run, folder }: Material): Html {
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

/** Counts by fate of the photographs that were imported, and the files that were not taken, with the reason. */
function ledgers({ run, folder }: Material): Html {
  const found = run.started.stages.flatMap((stage) =>
    Object.keys(stage.outputs).flatMap((output) => {
      const ledger = readJson(folder(stage.name, output), 'result.json')?.['ledger'] as
        | { counts: Record<string, number>; entries: { file: string; fate: string; reason?: string }[] }
        | undefined;
      return ledger ? [{ stage, ledger }] : [];
    }),
  );
  if (found.length === 0) return raw('');
  return section(
    'Import ledger',
    html`${found.map(
      ({ stage, ledger }) =>
        html`<h3>${stage.name}</h3>
          ${table(['fate', 'pictures'], Object.entries(ledger.counts))}
          <details>
            <summary>${ledger.entries.length} pictures with a remark</summary>
            ${table(
              ['file', 'fate', 'reason'],
              ledger.entries.slice(0, 2000).map((entry) => [entry.file, entry.fate, entry.reason ?? '']),
            )}
          </details>`,
    )}`,
  );
}

function cards({ comparison }: Material): Html {
  const withCard = comparison.rows.filter((row) => row.card);
  if (withCard.length === 0) return raw('');
  return section(
    'Protocol cards',
    html`<p class="soft">
        All that a number depends on beside the method. The comparison says where cards differ in what should
        be equal.
      </p>
      ${withCard.map(
        (row) =>
          html`<details>
            <summary>${row.label}</summary>
            <pre>${JSON.stringify(row.card, null, 2)}</pre>
          </details>`,
      )}`,
  );
}

function stages({ run }: Material): Html {
  const rows = run.started.stages.map((stage) => {
    const result = run.results.get(stage.name);
    const metrics = Object.entries(result?.metrics ?? {}).filter(([name]) =>
      /^(loss|avg\/accuracy|similarity\/mean|images_per_second)$/.test(name),
    );
    return [
      stage.name,
      stage.kind,
      result?.status ?? 'not reached',
      result?.from
        ? `${duration(result.from.seconds)} in ${result.from.run}`
        : result
          ? duration(result.seconds)
          : '',
      result && result.peakRssBytes > 0 ? `${Math.round(result.peakRssBytes / 2 ** 20)} MiB` : '',
      result?.device ?? '',
      metrics.map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`).join(', '),
    ];
  });
  const used = new Set(
    run.started.stages.flatMap((stage) => ancestors(run, stage.name).map((ancestor) => ancestor.name)),
  );
  return section(
    'Stages',
    html`${table(['stage', 'kind', 'status', 'time', 'peak memory', 'device', 'metrics'], rows)}
      <p class="soft">
        ${rows.length} stages, ${used.size} of them feed others. Cached stages show the run that made them and
        what that took.
      </p>`,
  );
}

export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
