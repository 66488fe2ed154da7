/** What the run was made of: photographs and what became of them, what came from outside, every stage and its cost. */
import { dirname, relative } from 'node:path';
import type { JsonObject } from '../../stages/contract.js';
import { duration } from '../plan/why.js';
import { type Material, outsideFolder, readJson } from './material.js';
import { type Html, html, raw, section, table } from './page.js';

/** More would make the page too heavy to open; the ledger itself has them all. */
const entriesShown = 2000;

/** Counts by fate of the photographs that were imported, and the files that were not taken, with the reason. */
export function ledgers({ run, folder }: Material): Html {
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
            <summary>
              ${ledger.entries.length} pictures with a
              remark${ledger.entries.length > entriesShown && `, the first ${entriesShown} of them`}
            </summary>
            ${table(
              ['file', 'fate', 'reason'],
              ledger.entries
                .slice(0, entriesShown)
                .map((entry) => [entry.file, entry.fate, entry.reason ?? '']),
              { text: true },
            )}
          </details>`,
    )}`,
  );
}

/** What came from outside the run: photographs, given pairs, pretrained weights with the record of their making. */
export function outside({ run }: Material): Html {
  const paths = new Map<string, string[]>();
  for (const stage of run.started.stages) {
    for (const [input, sources] of Object.entries(stage.inputs)) {
      for (const source of sources) {
        if (source.from !== 'path') continue;
        const users = paths.get(source.path);
        if (users) users.push(`${stage.name}.${input}`);
        else paths.set(source.path, [`${stage.name}.${input}`]);
      }
    }
  }
  if (paths.size === 0) return raw('');
  const rows = [...paths].map(([path, users]) => {
    const folder = outsideFolder(path);
    const provenance = readJson(folder, 'config.json')?.['provenance'] as JsonObject | undefined;
    const record = readJson(folder, 'record.json');
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
  return section('From outside', table(['path', 'used as', 'what it is'], rows, { text: true }));
}

export function stages({ run }: Material): Html {
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
    run.started.stages.flatMap(({ inputs }) =>
      Object.values(inputs).flatMap((sources) =>
        sources.flatMap((source) => (source.from === 'stage' ? [source.stage] : [])),
      ),
    ),
  );
  return section(
    'Stages',
    html`${table(['stage', 'kind', 'status', 'time', 'peak memory', 'device', 'metrics'], rows, { text: true })}
      <p class="soft">
        ${rows.length} stages, ${used.size} of them feed others. Cached stages show the run that made them and
        what that took.
      </p>`,
  );
}
