/** The report of a run: one HTML file with the comparison, plots, pictures, protocol cards and what every stage cost. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { JsonObject } from '../../stages/contract.js';
import { cards } from './cards.js';
import { columnsOf, legendOf } from './columns.js';
import { type CompareSource, compareRuns } from './compare.js';
import { grids, pictures, plots } from './figures.js';
import { failures, heading } from './heading.js';
import { type ArtifactFolder, folderOf, type Material, readJson } from './material.js';
import { type Html, html, notes, page, raw, section, table } from './page.js';
import { ledgers, outside, stages } from './record.js';
import type { RunRecord } from './run.js';

/** A run with its cards, as `compareRuns` takes it. */
export function compareSource(run: RunRecord, artifact: ArtifactFolder): CompareSource {
  return sourceOf(run, folderOf(run, artifact));
}

function sourceOf(run: RunRecord, folder: Material['folder']): CompareSource {
  return {
    run,
    card: (stage) => (readJson(folder(stage), 'result.json')?.['card'] as JsonObject | undefined) ?? null,
  };
}

/**
 * Writes the page beside and renames it in.
 * @param lastWords the end of an instance's log, for those that failed
 * @returns its path
 */
export async function writeReport(
  run: RunRecord,
  artifact: ArtifactFolder,
  file: string,
  lastWords?: (stage: string) => string[],
): Promise<string> {
  const folder = folderOf(run, artifact);
  const comparison = compareRuns([sourceOf(run, folder)]);
  const material: Material = { run, comparison, folder, ...(lastWords ? { lastWords } : {}) };
  const title = run.started.report.title ?? run.started.name;
  const body = [
    heading(material, title),
    failures(material),
    results(material),
    await plots(material),
    grids(material),
    pictures(material),
    ledgers(material),
    cards(material),
    outside(material),
    stages(material),
  ];
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.part`, page(title, body));
  await rename(`${file}.part`, file);
  return file;
}

function results({ comparison }: Material): Html {
  if (comparison.rows.length === 0) return raw('');
  const columns = columnsOf(comparison);
  const firstOfData = columns.findIndex(({ part }) => part === 'data');
  const marked = comparison.baseline === null ? '' : ' The baseline is marked.';
  return section(
    'Comparison',
    html`${table(
        columns.map((column) => column.title),
        comparison.rows.map((row) => columns.map((column) => column.value(row))),
        {
          mark: (row) => comparison.rows[row]!.label === comparison.baseline,
          apart: (column) => column === firstOfData,
        },
      )}
      <p class="soft">1:1 verification. ${legendOf(comparison)} AVG is the mean of the protocols.${marked}</p>
      ${notes(comparison.notices)}`,
  );
}
