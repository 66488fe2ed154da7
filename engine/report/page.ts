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
  return String(value)
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

export function table(
  head: readonly string[],
  rows: readonly (readonly unknown[])[],
  marked?: (row: number) => boolean,
): Html {
  return html`<div class="wide">
    <table>
      <thead>
        <tr>
          ${head.map((cell) => html`<th>${cell}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row, i) =>
            html`<tr${marked?.(i) ? raw(' class="mark"') : ''}>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

export function figure(body: Html, caption: string): Html {
  return html`<figure>
    ${body}
    <figcaption>${caption}</figcaption>
  </figure>`;
}

export function image(png: Buffer, alternative: string, zoom = false): Html {
  return html`<img${zoom ? raw(' class="zoom"') : ''}
    alt="${alternative}"
    src="data:image/png;base64,${png.toString('base64')}"
  ></img${zoom ? raw(' class="zoom"') : ''}>`;
}

const style = `
:root{--ink:#1d2327;--soft:#626a70;--line:#dcdcd7;--paper:#fbfbf9;--mark:#eef4fb;--warn:#fdf3dc}
*{box-sizing:border-box}body{margin:0 auto;padding:2.5rem 1.5rem 5rem;max-width:70rem;background:var(--paper);color:var(--ink);font:15px/1.5 Helvetica,Arial,sans-serif}
h1{font-size:1.7rem;margin:0 0 .2rem}h2{font-size:1.15rem;margin:2.6rem 0 .7rem;border-bottom:1px solid var(--line);padding-bottom:.3rem}
p{max-width:60rem}.soft,figcaption{color:var(--soft);font-size:.9rem}code,pre{font:13px/1.45 ui-monospace,Menlo,Consolas,monospace}
pre{background:#f1f1ed;padding:.7rem .9rem;overflow:auto;border-radius:4px}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.92rem}
th,td{padding:.32rem .8rem .32rem 0;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{font-weight:600;color:var(--soft)}tr.mark td{background:var(--mark)}
ul.notes{margin:.6rem 0;padding:.7rem 1rem .7rem 2rem;background:var(--warn);border-radius:4px;max-width:64rem}
figure{margin:1rem 0;display:inline-block;vertical-align:top;max-width:100%}figure svg{max-width:100%;height:auto}
.plots{display:flex;flex-wrap:wrap;gap:1rem 2.5rem;align-items:flex-end}.strips{display:flex;gap:3px;align-items:flex-start;overflow-x:auto;font-size:.8rem}
.strips div{text-align:center}.strips .gap{margin-right:10px}img{max-width:100%}img.zoom{image-rendering:pixelated}
details{margin:.5rem 0}summary{cursor:pointer}`;

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
