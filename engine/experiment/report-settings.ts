/** The names under `report:` against the stages there are; points are named with their axes in any order, or without the seed. */
import type { ReportSettings, StageInstance } from './experiment.js';
import { pointName } from './matrix.js';
import { listed, type Problems } from './problems.js';
import { instancesNamed } from './reference.js';
import type { Scope } from './scope.js';
import type { Node } from './tree.js';

/** @returns the report with the names of instances, or of whole stages, for what it names */
export function checkReport(
  report: ReportSettings,
  node: Node | undefined,
  instances: readonly StageInstance[],
  stages: ReadonlySet<string>,
  scope: Scope,
  problems: Problems,
): ReportSettings {
  if (!node) return report;
  const evaluated = (): Set<string> =>
    new Set(instances.filter((instance) => instance.kind === 'evaluate').map((instance) => instance.stage));
  const made = new Set(instances.map((instance) => instance.stage));
  const named = (name: string, path: (string | number)[]): StageInstance[] => {
    const { span } = scope.writtenAt(node, undefined, path);
    const found = instancesNamed(name, instances);
    const [first] = found;
    if (first) {
      if (first.kind !== 'evaluate')
        problems.add(
          span,
          `'${name}' is a ${first.kind} stage: the report compares evaluate stages`,
          `evaluate stages: ${listed(evaluated())}`,
        );
      return found;
    }
    const [stage = name] = name.split('@');
    // A stage that could not be made is said already.
    if (stages.has(stage) && !made.has(stage)) return [];
    const choices = stages.has(stage)
      ? instances.filter((instance) => instance.stage === stage).map((instance) => instance.name)
      : [...stages];
    problems.add(
      span,
      stages.has(stage)
        ? `there is no point '${name}'`
        : `there is no stage '${name}'${problems.suggest(name, stages)}`,
      `choices: ${listed(choices)}`,
    );
    return [];
  };
  const baseline = (name: string): string => {
    const found = named(name, ['baseline']);
    const others = found.find((one) => withoutSeed(one) !== withoutSeed(found[0]!));
    if (others)
      problems.add(
        scope.writtenAt(node, undefined, ['baseline']).span,
        `'${name}' is ${found.length} points; the baseline is one of them, with all its seeds`,
        `choices: ${listed(new Set(found.map(withoutSeed)))}`,
      );
    return found[0]?.name ?? name;
  };
  return {
    ...report,
    ...(report.baseline === undefined ? {} : { baseline: baseline(report.baseline) }),
    ...(report.rows === undefined
      ? {}
      : {
          rows: report.rows.flatMap((row, index) => {
            const found = named(row, ['rows', index]);
            return made.has(row) ? [row] : found.map(({ name }) => name);
          }),
        }),
  };
}

function withoutSeed({ stage, point }: StageInstance): string {
  const { seed: _, ...rest } = point;
  return pointName(stage, rest);
}
