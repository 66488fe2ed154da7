/** The names under `report:` against the stages there are. */
import type { ReportSettings, StageInstance } from './experiment.js';
import { listed, type Problems } from './problems.js';
import type { Scope } from './scope.js';
import type { Node } from './tree.js';

export function checkReport(
  report: ReportSettings,
  node: Node | undefined,
  instances: readonly StageInstance[],
  stages: ReadonlySet<string>,
  scope: Scope,
  problems: Problems,
): void {
  if (!node) return;
  const byName = new Map<string, StageInstance>();
  for (const instance of instances) {
    byName.set(instance.name, instance);
    if (!byName.has(instance.stage)) byName.set(instance.stage, instance);
  }
  const check = (name: string, path: (string | number)[]): void => {
    const { span } = scope.writtenAt(node, undefined, path);
    const found = byName.get(name);
    if (found) {
      if (found.kind !== 'evaluate')
        problems.add(
          span,
          `'${name}' is a ${found.kind} stage: the report compares evaluate stages`,
          `evaluate stages: ${listed(evaluated())}`,
        );
      return;
    }
    const [stage = name] = name.split('@');
    // A stage that could not be made is said already.
    if (stages.has(stage) && !byName.has(stage)) return;
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
  };
  const evaluated = (): Set<string> =>
    new Set(instances.filter((instance) => instance.kind === 'evaluate').map((instance) => instance.stage));
  if (report.baseline !== undefined) check(report.baseline, ['baseline']);
  report.rows?.forEach((row, index) => check(row, ['rows', index]));
}
