/** The HTML page's skeleton: style, sections, escaping. One file that needs nothing else, not even a network. */

/** Text that is safe in HTML; made only by `html`, `raw` and `escape`. */
export class Html {
  constructor(readonly text: string) {}
}

export const raw = (text: string) => new Html(text);

/** A template literal whose values are escaped, unless they are Html already. Lists are joined. */
export function html(parts: TemplateStringsArray, ...values: unknown[]): Html {
  const text = parts.map((part, i) => part + (i < values.length ? show(values[i]) : ''));
  return new Html(text.join(''));
}

function show(value: unknown): string {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(show).join('');
  if (value === undefined || value === null || value === false) return '';
  const text = String(value);
  if (!/[&<>"]/.test(text)) return text;
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

export function section(title: string, body: Html): Html {
  return html`<section>
    <h2>${title}</h2>
    ${body}
  </section> `;
}

export interface TableOptions {
  /** Rows to stand out. */
  mark?(row: number): boolean;
  /** Columns with a gap before them. */
  apart?(column: number): boolean;
  /** Words, not figures: aligned left, long ones broken. */
  text?: boolean;
}

export function table(
  head: readonly unknown[],
  rows: readonly (readonly unknown[])[],
  { mark, apart, text }: TableOptions = {},
): Html {
  const gap = (column: number) => apart?.(column) && raw(' class="apart"');
  // A head of one word may break where its parts end.
  const broken = (cell: unknown) =>
    typeof cell === 'string' && !cell.includes(' ')
      ? cell.split('_').map((part, i) => html`${i > 0 && raw('_<wbr>')}${part}`)
      : cell;
  return html`<div class="wide">
    <table${text && raw(' class="text"')}>
      <thead>
        <tr>
          ${head.map((cell, i) => html`<th${gap(i)}>${broken(cell)}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row, i) =>
            html`<tr${mark?.(i) && raw(' class="mark"')}>${row.map((cell, column) => html`<td${gap(column)}>${cell}</td>`)}</tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** What a reader must know, on a ground of its own; `words` between backticks are code. */
export function notes(texts: readonly string[]): Html {
  if (texts.length === 0) return raw('');
  const withCode = (text: string) =>
    text.split('`').map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : part));
  return html`<ul class="notes">
    ${texts.map((text) => html`<li>${withCode(text)}</li>`)}
  </ul>`;
}

export function figure(body: Html, caption: string): Html {
  return html`<figure>
    ${body}
    <figcaption>${caption}</figcaption>
  </figure>`;
}

/** @param pixels shown as they are when enlarged, not blurred */
export function image(png: Buffer, alternative: string, pixels = false): Html {
  return html`<img${pixels && raw(' class="pixels"')}
    alt="${alternative}"
    src="data:image/png;base64,${png.toString('base64')}"
  ></img${pixels && raw(' class="pixels"')}>`;
}

const style = `
:root{color-scheme:light dark;--ink:#1d2327;--soft:#5d656b;--line:#dcdcd7;--paper:#fbfbf9;--mark:#e8f0fa;--warn:#fdf3dc;--code:#f1f1ed;--bad:#a3261b}
@media (prefers-color-scheme:dark){:root{--ink:#e4e6e8;--soft:#a2aab0;--line:#3a4046;--paper:#16191c;--mark:#1f2f42;--warn:#3a3118;--code:#22272b;--bad:#ff9d92}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2.5rem 1.5rem 5rem;max-width:74rem;background:var(--paper);color:var(--ink);font:15px/1.5 Helvetica,Arial,sans-serif}
h1{font-size:1.7rem;line-height:1.25;margin:0 0 .3rem}h2{font-size:1.15rem;margin:2.6rem 0 .8rem;border-bottom:1px solid var(--line);padding-bottom:.3rem}
h3{font-size:1rem;margin:1.2rem 0 .4rem}p{max-width:60rem}.soft,figcaption{color:var(--soft);font-size:.9rem}
code,pre{font:13px/1.45 ui-monospace,Menlo,Consolas,monospace}pre{background:var(--code);padding:.7rem .9rem;white-space:pre-wrap;overflow-wrap:anywhere;border-radius:4px}
.error{color:var(--bad);overflow-wrap:anywhere}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.88rem}
th,td{padding:.3rem 0 .3rem .85rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600;color:var(--soft);vertical-align:bottom;white-space:normal;line-height:1.25}th.apart,td.apart{padding-left:1.8rem}
th:first-child,td:first-child{text-align:left;padding-left:0;position:sticky;left:0;background:var(--paper)}
tr.mark td,tr.mark td:first-child{background:var(--mark)}
table.text th,table.text td{text-align:left;vertical-align:top;white-space:normal;max-width:34rem;overflow-wrap:break-word}
table.text th{vertical-align:bottom}table.text td:first-child{white-space:nowrap}
ul.notes{margin:.8rem 0;padding:.7rem 1rem .7rem 2rem;background:var(--warn);border-radius:4px;max-width:64rem}ul.notes li+li{margin-top:.35rem}
figure{margin:.6rem 0;max-width:100%}figure svg{display:block;max-width:100%;height:auto}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(30rem,100%),1fr));gap:1rem 2rem;align-items:start}
/* Plots are drawn for light paper. */.plots svg{background:#fbfbf9;border-radius:4px}
.grid{display:flex;gap:3px;align-items:flex-end;overflow-x:auto;font-size:.8rem;padding-bottom:.3rem}
.grid .group{display:flex;flex-direction:column;flex:none}.grid .group+.group{margin-left:10px}.grid .columns{display:flex;gap:3px}
.grid .columns div,.grid .name{text-align:center}.grid .name{color:var(--soft);max-width:100%}
img{max-width:100%;vertical-align:bottom}.grid img{max-width:none}img.pixels{image-rendering:pixelated}
details{margin:.7rem 0}summary{cursor:pointer}
@media (max-width:40rem){body{padding:1.2rem .9rem 3rem;font-size:14px}h1{font-size:1.35rem}td:first-child,th:first-child,table.text td:first-child{min-width:7.5rem;max-width:9rem;white-space:normal;overflow-wrap:break-word}.grid img{width:2.9rem;height:auto}}
@media print{:root{--ink:#000;--soft:#444;--line:#bbb;--paper:#fff;--mark:#e8f0fa;--warn:#fff;--code:#f4f4f4;--bad:#a3261b;color-scheme:light}
body{padding:0;max-width:none;font-size:10.5px}ul.notes{border:1px solid var(--line)}table{font-size:8.5px}th,td{padding:.15rem 0 .15rem .5rem}.wide,.grid{overflow:visible}
figure,tr,.grid{break-inside:avoid}h2,h3{break-after:avoid}.plots{grid-template-columns:1fr 1fr}.grid img{max-height:16cm}}`;

export function page(title: string, body: readonly Html[]): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width,initial-scale=1" />
        <title>${title}</title>
        <style>
          ${raw(style)}
        </style>
      </head>
      <body>
        ${body}
      </body>
    </html> `.text;
}
