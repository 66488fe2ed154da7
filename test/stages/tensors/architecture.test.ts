/** The example of ARCHITECTURE.md, run as it stands there. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { execa } from 'execa';
import { expect, test } from 'vitest';

test('the example of a network of your own trains', async () => {
  const [, code] = /\n## Compute\n[^]*?\n```js\n([^]*?)\n```/.exec(readFileSync('ARCHITECTURE.md', 'utf8'))!;
  const folder = mkdtempSync(join(tmpdir(), 'cemiflow-example-'));
  try {
    // Seen from elsewhere: an import by name looks in node_modules upwards from the file.
    const found = code!
      .replaceAll("'./dist/", `'${pathToFileURL(resolve('dist')).href}/`)
      .replace(
        "'@tensorflow/tfjs'",
        `'${pathToFileURL(resolve('node_modules/@tensorflow/tfjs/dist/tf.node.js')).href}'`,
      );
    writeFileSync(join(folder, 'example.mjs'), found);
    const { stdout } = await execa('node', [join(folder, 'example.mjs')]);
    const losses = stdout.split('\n').map((line) => Number(line.split(' ')[1]));
    expect(losses).toHaveLength(4);
    expect(losses[3]).toBeLessThan(losses[0]! / 4);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
