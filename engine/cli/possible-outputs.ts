/** The outputs of a kind whose outputs depend on its settings: those by default, and those that a setting adds. */
import type { JsonObject, OutputDeclaration, StageDeclaration } from '../../stages/contract.js';
import { Checker } from '../experiment/faults.js';

export interface PossibleOutput extends OutputDeclaration {
  name: string;
  /** The settings that decide whether it is there; none where it always is. */
  by: string[];
}

interface Schema {
  type?: string | string[];
  enum?: (string | number | boolean)[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  properties?: Record<string, Schema>;
}

/**
 * Asks the declaration what it gives by default, and again with each setting changed to its ends and choices in turn.
 * Outputs that take two settings at once to appear are not found.
 */
export function possibleOutputs({ schema, outputs }: StageDeclaration): PossibleOutput[] {
  if (typeof outputs !== 'function')
    return Object.entries(outputs).map(([name, output]) => ({ name, ...output, by: [] }));
  const checker = new Checker(schema, true);
  const given = (change: JsonObject): Record<string, OutputDeclaration> => {
    // Checking fills the defaults in; what is required and missing is no matter here.
    const settings = structuredClone(change);
    checker.check(settings);
    return outputs(settings);
  };
  const standard = given({});
  const found = new Map<string, PossibleOutput>();
  const add = (name: string, output: OutputDeclaration, by?: string): void => {
    const known = found.get(name) ?? { name, ...output, by: [] };
    if (by !== undefined && !known.by.includes(by)) known.by.push(by);
    found.set(name, known);
  };
  for (const [name, output] of Object.entries(standard)) add(name, output);
  for (const { path, values } of variations(schema as Schema, [])) {
    for (const value of values) {
      const changed = given(nested(path, value));
      const by = path.join('.');
      for (const [name, output] of Object.entries(changed)) if (!(name in standard)) add(name, output, by);
      for (const [name, output] of Object.entries(standard)) if (!(name in changed)) add(name, output, by);
    }
  }
  return [...found.values()];
}

type Value = string | number | boolean;

function* variations({ properties }: Schema, path: string[]): Generator<{ path: string[]; values: Value[] }> {
  for (const [name, setting] of Object.entries(properties ?? {})) {
    const at = [...path, name];
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = setting;
    const types = [setting.type].flat();
    const ends = [minimum, maximum, exclusiveMinimum, exclusiveMaximum].filter((end) => end !== undefined);
    if (setting.enum) yield { path: at, values: setting.enum };
    else if (types.includes('boolean')) yield { path: at, values: [true, false] };
    else if (types.includes('number') || types.includes('integer')) yield { path: at, values: ends };
    yield* variations(setting, at);
  }
}

function nested(path: readonly string[], value: Value): JsonObject {
  const [first, ...rest] = path;
  return { [first!]: rest.length === 0 ? value : nested(rest, value) };
}
