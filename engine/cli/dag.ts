/** `cemiflow dag`: the graph of an experiment, for Mermaid, Graphviz, or to read. */
import { Option, type Command } from 'commander';
import { drawings, graphOf } from './graph-drawing.js';
import { openExperiment } from './experiment-file.js';
import { addExperiment, type CommonOptions, type ExperimentOptions } from './options.js';

interface Options extends CommonOptions, ExperimentOptions {
  format: keyof typeof drawings;
  points?: true;
}

export const dagVerb = (program: Command): Command =>
  addExperiment(
    program
      .command('dag [file]')
      .description('draw the graph of the stages')
      .addOption(
        new Option('--format <name>', 'mermaid (Markdown renders it), dot (Graphviz) or text')
          .choices(Object.keys(drawings))
          .default('mermaid'),
      )
      .option('--points', 'every point of a matrix by itself'),
  ).action(async (file: string | undefined, _: unknown, command: Command) => {
    const options = command.optsWithGlobals<Options>();
    const experiment = await openExperiment(file, options);
    process.stdout.write(`${drawings[options.format](graphOf(experiment, options.points === true))}\n`);
  });
