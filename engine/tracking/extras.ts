/** The extras of a run from its cache and its report; plots and comparison are loaded only when they are asked for. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../digest.js';
import { readJournal } from '../journal/reader.js';
import { cacheRoot } from '../journal/run-folder.js';
import type { RunExtras } from './run-extras.js';

export function extrasOf(runsDir: string, runFolder: string): RunExtras {
  const folder = (digest: Digest) => {
    const path = join(cacheRoot(runsDir), 'objects', digest.slice(0, 2), digest);
    return existsSync(path) ? path : undefined;
  };
  const readMaterial = async () => {
    const [{ foldRun }, { compareRuns }, { compareSource }, { folderOf }] = await Promise.all([
      import('../report/run.js'),
      import('../report/compare.js'),
      import('../report/report.js'),
      import('../report/material.js'),
    ]);
    const run = foldRun(readJournal(runFolder));
    if (!run) return undefined;
    const comparison = compareRuns([compareSource(run, folder)]);
    return { run, comparison, folder: folderOf(run, folder) };
  };
  // Asked for twice, at the end of a run whose journal no longer grows.
  let material: ReturnType<typeof readMaterial> | undefined;
  const materialOf = () => (material ??= readMaterial());
  return {
    folder,
    async comparison() {
      const material = await materialOf();
      if (!material || material.comparison.rows.length === 0) return undefined;
      const { markdownTable } = await import('../report/table.js');
      return markdownTable(material.comparison);
    },
    async plots() {
      const material = await materialOf();
      if (!material || material.comparison.rows.length === 0) return [];
      const { drawPlots } = await import('../report/figures.js');
      return (await drawPlots(material)).map(({ name, svg }) => ({
        path: `plots/${name.replace(/[^\w.-]/g, '_')}.svg`,
        content: Buffer.from(svg),
      }));
    },
  };
}
