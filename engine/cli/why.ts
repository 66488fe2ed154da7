/** `cemiflow why`: everything that makes a stage run again, old -> new; or where its result comes from. Works offline. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { openExperiment } from './experiment-file.js';
import { fromHere, packageRoot } from './invocation.js';
import {
  addExperiment,
  type CommonOptions,
  type ExperimentOptions,
  jsonOption,
  type SelectOptions,
} from './options.js';
import { colorsFor, printJson, printLines } from './output.js';
import { decisionsFor } from './plan.js';

export const whyVerb = (program: Command): Command =>
  addExperiment(
    program
      .command('why <stage> [file]')
      .description('say why a stage runs again, or where its result comes from')
      .addOption(jsonOption()),
  ).action(why);

async function why(stage: string, file: string | undefined, _: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<CommonOptions & ExperimentOptions & SelectOptions>();
  // `why FILE STAGE` is what one types after `run FILE`.
  const swapped = /\.ya?ml$/.test(stage) && file !== undefined;
  const [name, path] = swapped ? [file, stage] : [stage, file];
  const experiment = await openExperiment(path, options);
  const [{ namesOf }, { explain }, { where }, { Writings }] = await Promise.all([
    import('../plan/select.js'),
    import('../plan/why.js'),
    import('../plan/where.js'),
    import('../experiment/written.js'),
  ]);
  const wanted = new Set(namesOf(experiment, name, `why ${name}`));
  const decisions = await decisionsFor(experiment, { ...options, until: name });
  const asked = [...decisions.values()].filter((decision) => wanted.has(decision.stage));
  const around = {
    experiment,
    writings: new Writings(experiment),
    nameOf: (path: string) => fromHere(path),
    sourceOf: (module: string) => join(packageRoot, module),
  };
  const headings = { cached: 'is cached', run: 'runs', maybe: 'may run' } as const;
  const answers = asked.map((decision) => ({
    name: decision.stage,
    status: decision.act === 'reuse' ? ('cached' as const) : decision.act,
    reasons: explain(decision, experiment, (reason, instance) => where(reason, instance, around)),
  }));
  if (options.json) return printJson({ stages: answers });
  const c = colorsFor(process.stdout, options.color);
  printLines(
    answers.flatMap((answer) => [
      `${c.bold(answer.name)} ${headings[answer.status]}`,
      ...answer.reasons.map((reason) => `  ${reason}`),
    ]),
  );
}
