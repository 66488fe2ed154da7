/** The top of the report: what ran, when, on what, what its author says of it; and what failed. */
import { duration } from '../plan/why.js';
import type { Material } from './material.js';
import { type Html, html, notes, raw, section, table } from './page.js';
import { devicesOf } from './run.js';

export function heading({ run }: Material, title: string): Html {
  const { started, ended } = run;
  const facts = [
    `run ${started.run}`,
    started.at.slice(0, 16).replace('T', ' ') + ' UTC',
    ended ? `${ended.status} after ${duration(ended.seconds)}` : 'not ended',
    devicesOf(run),
    `seed ${started.seed}`,
    started.git
      ? `commit ${started.git.commit.slice(0, 10)}${started.git.dirty ? ', with changes' : ''}`
      : 'no git commit',
    `cemiflow ${started.version}`,
  ];
  const warnings = [...run.results.values()].flatMap((result) =>
    result.warnings.map((text) => `${result.stage}: ${text}`),
  );
  return html`<h1>${title}</h1>
    <p class="soft">${facts.join(' · ')}</p>
    <pre>cemiflow ${started.command.join(' ')}</pre>
    ${notes([...(started.report.notes ?? []), ...warnings])}`;
}

/** Nothing where all went well. */
export function failures({ run, comparison, lastWords }: Material): Html {
  const { started, results, ended } = run;
  const failed = [...results.values()].filter(({ status }) => status === 'failed');
  const unfinished = started.stages.filter(({ name }) => {
    const status = results.get(name)?.status;
    return status === undefined || status === 'skipped' || status === 'cancelled';
  });
  if (failed.length === 0 && unfinished.length === 0) return raw('');
  const names = unfinished.map(({ name }) => name);
  const some =
    names.length > 12 ? `${names.slice(0, 12).join(', ')} and ${names.length - 12} more` : names.join(', ');
  const why = ended ? '' : ' The run has not ended.';
  const partial = comparison.rows.length > 0 ? ' What follows shows what did end well.' : '';
  return section(
    failed.length > 0 ? 'What failed' : 'Not finished',
    html`${
        failed.length > 0 &&
        table(
          ['stage', 'after', 'why'],
          failed.map(({ stage, seconds, error }) => [
            stage,
            duration(seconds),
            html`<span class="error">${error ?? 'no reason was recorded'}</span
              >${logEnd(lastWords?.(stage))}`,
          ]),
          { text: true },
        )
      }
      <p class="soft">
        ${names.length > 0 && `Not run to its end: ${some}.`}${why}${partial} The logs are in
        <code>logs/</code> of the run's folder. The same line again goes on from here.
      </p>`,
  );
}

const logEnd = (lines: readonly string[] = []) =>
  lines.length > 0 ? html`<pre>${lines.join('\n')}</pre>` : raw('');
