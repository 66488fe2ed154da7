/** The protocol cards of all rows: what is equal once, what differs side by side. */
import type { Material } from './material.js';
import { leavesOf } from './notices.js';
import { type Html, html, raw, section, table } from './page.js';

export function cards({ comparison }: Material): Html {
  const rows = comparison.rows.flatMap(({ label, card }) =>
    card ? [{ label, leaves: new Map(leavesOf(card, '')) }] : [],
  );
  if (rows.length === 0) return raw('');
  const paths = [...new Set(rows.flatMap(({ leaves }) => [...leaves.keys()]))];
  const valuesOf = (path: string) => rows.map(({ leaves }) => leaves.get(path));
  const differs = (path: string) => new Set(valuesOf(path)).size > 1;
  const equal = paths.filter((path) => !differs(path));
  const everywhere = (path: string) => valuesOf(path).every((value) => value !== undefined);
  const unlike = (of: readonly string[], which: string, open: boolean) =>
    of.length > 0 &&
    html`<details${open && raw(' open')}>
      <summary>Entries ${which}: ${of.length}</summary>
      ${table(
        ['', ...rows.map(({ label }) => label)],
        of.map((path) => [words(path), ...valuesOf(path).map(shown)]),
        { text: true },
      )}
    </details>`;
  return section(
    'Protocol card',
    html`<p class="soft">
        All that a number depends on beside the method: the tests, the network and its training, the data
        behind it. ${rows.length > 1 && 'First what is equal in all rows, then what differs.'}
      </p>
      ${table(
        ['', rows.length > 1 ? 'in all rows' : rows[0]!.label],
        clustered(equal, (path) => shown(valuesOf(path)[0])),
        { text: true },
      )}
      ${unlike(
        paths.filter((path) => differs(path) && everywhere(path)),
        'that differ',
        true,
      )}
      ${unlike(
        paths.filter((path) => differs(path) && !everywhere(path)),
        'that only some rows have',
        false,
      )}`,
  );
}

/** Three short entries and more of one part are one line: "pairs: general 2000, age gap 2000", or "2000 each". */
function clustered(paths: readonly string[], valueOf: (path: string) => Html | string): unknown[][] {
  const byPart = new Map<string, string[]>();
  for (const path of paths) {
    const part = path.includes('.') ? path.slice(0, path.lastIndexOf('.')) : path;
    byPart.set(part, [...(byPart.get(part) ?? []), path]);
  }
  return [...byPart].flatMap(([part, entries]) => {
    const values = entries.map(valueOf);
    const short = values.every((value) => typeof value === 'string' && value.length <= 12);
    if (entries.length < 3 || !short) return entries.map((path, i) => [words(path), values[i]]);
    const name = (path: string) => words(path.slice(part.length + 1));
    const each = new Set(values).size === 1;
    const said = each
      ? `${String(values[0])} each: ${entries.map(name).join(', ')}`
      : entries.map((path, i) => `${name(path)} ${String(values[i])}`).join('; ');
    return [[words(part), said]];
  });
}

const words = (path: string) => path.replaceAll('_', ' ').replaceAll('.', ' › ');

/** As it is read: text without quotes, lists in a row, digests short with the whole one on hovering. */
function shown(leaf: string | undefined): Html | string {
  if (leaf === undefined) return '–';
  const value = JSON.parse(leaf) as unknown;
  if (value === null) return 'none';
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(String).join(', ');
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return String(Number(value.toPrecision(6)));
  if (typeof value === 'object') return JSON.stringify(value);
  const text = String(value);
  return /^[0-9a-f]{64}$/.test(text) ? html`<code title="${text}">${text.slice(0, 12)}</code>` : text;
}
