/** The report of a run: one HTML file with the comparison, plots, pictures, protocol cards and what every stage cost. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import type { JsonObject } from '../../stages/contract.js';
import { duration } from '../plan/why.js';
import { type CompareSource, compareRuns } from './compare.js';
import { grids, pictures, plots } from './figures.js';
import { type ArtifactFolder, folderOf, type Material, readJson } from './material.js';
import { Html, html, page, raw, section, table } from './page.js';
import { ancestors, type RunRecord } from './run.js';
import { columnsOf, legendOf } from './columns.js';

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
    outside(material),
    stages(material),
  ];
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.part`, page(title, body));
  await rename(`${file}.part`, file);
  return file;
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
    <pre>cemiflow ${started.command.join(' ')}</pre>
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
  return section(
    'Comparison',
    html`${table(
        columns.map((column) => column.title),
        rows,
        (i) => comparison.rows[i]!.label === comparison.baseline,
      )}
      <p class="soft">1:1 verification. ${legendOf(comparison)} AVG is the mean of the protocols.</p>
      ${
        comparison.notices.length > 0 &&
        html`<ul class="notes">
          ${comparison.notices.map((notice) => html`<li>${notice}</li>`)}
        </ul>`
      }`,
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

/** What came from outside the run: photographs, given pairs, pretrained weights with the record of their making. */
function outside({ run }: Material): Html {
  const paths = new Map<string, string[]>();
  for (const stage of run.started.stages) {
    for (const [input, sources] of Object.entries(stage.inputs)) {
      for (const source of sources) {
        if (source.from !== 'path') continue;
        paths.set(source.path, [...(paths.get(source.path) ?? []), `${stage.name}.${input}`]);
      }
    }
  }
  if (paths.size === 0) return raw('');
  const rows = [...paths].map(([path, users]) => {
    const provenance = readJson(path, 'config.json')?.['provenance'] as JsonObject | undefined;
    const record = readJson(path, 'record.json');
    const weights = provenance
      ? `${String(provenance['architecture'])}, sha256 ${String(provenance['weights'])}`
      : '';
    return [
      relative(dirname(run.started.file), path),
      users.join(', '),
      html`${weights}${
        record &&
        html`<details>
          <summary>record</summary>
          <pre>${JSON.stringify(record, null, 2)}</pre>
        </details>`
      }`,
    ];
  });
  return section('From outside', table(['path', 'used as', 'what it is'], rows));
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
