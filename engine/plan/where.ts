/** Where each reason of a decision can be seen and changed: the line of YAML, or the source file of the stage's code. */
import { dirname, join } from 'node:path';
import type { Experiment, StageInstance } from '../experiment/experiment.js';
import { sayWritten, type Writings } from '../experiment/written.js';
import type { Reason } from './plan.js';

export interface Surroundings {
  experiment: Experiment;
  writings: Writings;
  /** A path as a person would type it. */
  nameOf(file: string): string;
  /** Path of the stages' own source, from a module's name (`stages/faces/render.ts`). */
  sourceOf(module: string): string;
}

/** @returns undefined where the reason lies in no file */
export function where(reason: Reason, stage: StageInstance, around: Surroundings): string | undefined {
  const { writings, nameOf } = around;
  const said = (written: ReturnType<Writings['setting']>, otherwise: string) =>
    written ? sayWritten(written, nameOf) : otherwise;
  switch (reason.kind) {
    case 'setting-changed': {
      const written = writings.setting(stage, reason.path.split('.'));
      return said(written, `not in the file: the default of ${stage.kind}`);
    }
    case 'input-changed':
      return reason.input.startsWith('code:')
        ? said(writings.setting(stage, ['code']), nameOf(around.experiment.file))
        : said(writings.ofStage(stage, ['inputs', reason.input]), 'no longer in the file');
    case 'seed-changed':
      return said(writings.seed(stage), 'not in the file: the default');
    case 'cpus-changed':
      return said(
        writings.ofStage(stage, ['resources', 'cpus']) ?? writings.ofFile(['resources', 'cpus']),
        'not in the file: the default',
      );
    case 'kind-changed':
      return said(writings.ofStage(stage, ['uses']), nameOf(around.experiment.file));
    case 'code-changed':
      if (reason.part.startsWith('npm:') || reason.part === '') return undefined;
      return stage.module === undefined
        ? nameOf(around.sourceOf(sourceName(reason.part)))
        : nameOf(join(dirname(stage.module), reason.part));
    case 'never-ran':
    case 'forced':
    case 'output-damaged':
    case 'upstream-runs':
      return undefined;
    case 'compared-with':
      return `run ${reason.run}`;
  }
}

/** The file one edits, from the compiled module's name: `stages/x.js` is made of `stages/x.ts`. */
export function sourceName(module: string): string {
  const schema = /^schemas\/generated\/(.+)\.js$/.exec(module)?.[1];
  return schema === undefined ? module.replace(/\.js$/, '.ts') : `schemas/${schema}.schema.json`;
}
