/** The extras of a run from its cache and its report; plots and comparison are loaded only when they are asked for. */
import type { JsonObject } from '../../stages/contract.js';
import { eachEvent } from '../journal/reader.js';
import { artifactsIn } from '../journal/run-folder.js';
import type { RunExtras } from './run-extras.js';

export function extrasOf(runsDir: string, runFolder: string): RunExtras {
  const folder = artifactsIn(runsDir);
  const readMaterial = async () => {
    const [{ foldRun }, { compareRuns }, { compareSource }, { folderOf }] = await Promise.all([
      import('../report/run.js'),
      import('../report/compare.js'),
      import('../report/report.js'),
      import('../report/material.js'),
    ]);
    const run = foldRun(eachEvent(runFolder));
    if (!run) return undefined;
    const source = compareSource(run, folder);
    return { run, source, comparison: compareRuns([source]), folder: folderOf(run, folder) };
  };
  // Asked for at the end of a run, whose journal no longer grows.
  let material: ReturnType<typeof readMaterial> | undefined;
  const materialOf = () => (material ??= readMaterial());
  return {
    folder,
    async comparison() {
      const material = await materialOf();
      if (!material || material.comparison.rows.length === 0) return undefined;
      const { markdownTable } = await import('../report/table.js');
      return { table: markdownTable(material.comparison), rows: material.comparison.rows };
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
    async cards() {
      const material = await materialOf();
      const evaluated = material?.run.started.stages.filter(({ kind }) => kind === 'evaluate') ?? [];
      return Object.fromEntries(
        evaluated.flatMap(({ name }): [string, JsonObject][] => {
          const card = material!.source.card(name);
          return card ? [[name, card]] : [];
        }),
      );
    },
  };
}
