/** The last step of a command's `${{ }}`, taken by the attempt, which knows the folders of inputs and outputs. */
import type { Json } from '../../stages/contract.js';
import { branchOf } from './expressions/evaluate.js';
import { fill, hasExpression, parseTemplate } from './expressions/template.js';

export interface CommandFolders {
  /** Folder of each input; a list where it takes several artifacts. */
  inputs: Readonly<Record<string, string | string[]>>;
  outputs: Readonly<Record<string, string>>;
}

/**
 * `python3 train.py --data ${{ inputs.data }}` -> the same with the folders in place, as text. No quoting is done: give
 * quoted paths where a shell or a word splitter reads the result.
 * @throws ExpressionError; loading has checked all names, so that is a bug
 */
export function renderCommand(template: string, folders: CommandFolders): string {
  if (!hasExpression(template)) return template;
  const contexts = {
    inputs: branchOf('inputs', folders.inputs),
    outputs: branchOf('outputs', folders.outputs),
  };
  const value = fill(parseTemplate(template), contexts, () => '');
  return typeof value === 'string'
    ? value
    : value === null
      ? ''
      : typeof value === 'object'
        ? JSON.stringify(value)
        : String(value);
}

/** The same for all texts of a stage's settings. */
export function renderSettings<T extends Json>(settings: T, folders: CommandFolders): T {
  const visit = (value: Json): Json => {
    if (typeof value === 'string') return renderCommand(value, folders);
    if (Array.isArray(value)) return value.map(visit);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, visit(item)]));
  };
  return visit(settings) as T;
}
