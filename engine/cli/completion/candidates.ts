/**
 * What may stand at the end of an unfinished command line: verbs, flags, stages and profiles of the experiment file on
 * it, runs. Reads commander's own description of the verbs, so that it cannot fall behind them.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Argument, Command, Option } from 'commander';
import { defaultRunsDir } from '../invocation.js';

export interface Candidate {
  text: string;
  description?: string;
}

export interface Answer {
  candidates: readonly Candidate[];
  /** What the shell is to add by itself, as it knows home folders and quotes best. */
  files: 'none' | 'yaml' | 'any' | 'folders';
  /** The word goes on: `--set params.` and `samples@`. */
  open: boolean;
}

/** What an unfinished line says so far. */
interface Line {
  /** The innermost verb. */
  verb: Command;
  /** Words that belong to no option, behind the verb. */
  operands: string[];
  /** Values of options by long name. */
  given: Map<string, string[]>;
  current: string;
  /** The option that waits for the current word as its value. */
  waiting?: Option;
  /** Behind `--` there are no options. */
  bare: boolean;
}

const nothing: Answer = { candidates: [], files: 'none', open: false };

/** @param words all words behind `cemiflow`, the last being the one at the cursor, possibly '' */
export async function complete(program: Command, words: readonly string[]): Promise<Answer> {
  const line = readLine(program, words);
  const folder = line.given.get('--directory')?.at(-1);
  if (folder !== undefined && existsSync(folder)) process.chdir(folder);
  const { current, verb, waiting, bare } = line;
  if (waiting) return starting(await valuesOf(waiting, line, current), current);
  if (!bare && current.startsWith('-')) {
    const [, name, value] = /^(--[\w-]+)=(.*)$/s.exec(current) ?? [];
    const option = name === undefined ? undefined : optionsOf(verb).find(({ long }) => long === name);
    if (!option) return starting({ ...nothing, candidates: flagsOf(verb, line) }, current);
    const answer = starting(await valuesOf(option, line, value!), value!);
    const candidates = answer.candidates.map((one) => ({ ...one, text: `${name}=${one.text}` }));
    return { ...answer, candidates };
  }
  const argument = argumentAt(verb, line.operands.length);
  const answer = argument ? await valuesAt(argument, line) : nothing;
  const verbs = line.operands.length > 0 ? [] : verbsOf(verb);
  return starting({ ...answer, candidates: [...verbs, ...answer.candidates] }, current);
}

function readLine(program: Command, words: readonly string[]): Line {
  let verb = program;
  const operands: string[] = [];
  const given = new Map<string, string[]>();
  const give = (option: Option, value: string) =>
    given.set(nameOf(option), [...(given.get(nameOf(option)) ?? []), value]);
  let waiting: Option | undefined;
  let bare = false;
  for (const word of words.slice(0, -1)) {
    if (waiting) {
      give(waiting, word);
      waiting = undefined;
    } else if (bare || !word.startsWith('-') || word === '-') {
      const inner = operands.length === 0 ? verb.commands.find((one) => one.name() === word) : undefined;
      if (inner) verb = inner;
      else operands.push(word);
    } else if (word === '--') bare = true;
    else {
      const [name = '', ...value] = word.split('=');
      const option = optionsOf(verb).find(({ short, long }) => short === name || long === name);
      if (!option) continue;
      if (!takesValue(option)) give(option, '');
      else if (value.length > 0) give(option, value.join('='));
      else waiting = option;
    }
  }
  return { verb, operands, given, current: words.at(-1) ?? '', ...(waiting ? { waiting } : {}), bare };
}

const nameOf = ({ long, short }: Option) => long ?? short ?? '';
const takesValue = ({ required, optional }: Option) => required || optional;

/** The verb's own ones first; those that verb and program share come once. */
function optionsOf(verb: Command): Option[] {
  const all = new Map<string, Option>();
  for (let at: Command | null = verb; at; at = at.parent)
    for (const option of at.options) {
      const name = nameOf(option);
      if (!option.hidden && !all.has(name)) all.set(name, option);
    }
  return [...all.values()];
}

function flagsOf(verb: Command, { given }: Line): Candidate[] {
  const options = optionsOf(verb).flatMap((option): Candidate[] => {
    const again = takesValue(option) && option.defaultValue instanceof Array;
    return given.has(nameOf(option)) && !again
      ? []
      : [{ text: nameOf(option), description: option.description }];
  });
  return [...options, { text: '--help', description: 'display help for command' }];
}

function verbsOf(verb: Command): Candidate[] {
  return verb
    .createHelp()
    .visibleCommands(verb)
    .map((one) => ({ text: one.name(), description: one.description() }));
}

function argumentAt({ registeredArguments }: Command, index: number): Argument | undefined {
  const last = registeredArguments.at(-1);
  return registeredArguments[index] ?? (last?.variadic ? last : undefined);
}

async function valuesOf(option: Option, line: Line, current: string): Promise<Answer> {
  if (option.argChoices) return { ...nothing, candidates: option.argChoices.map((text) => ({ text })) };
  switch (nameOf(option)) {
    case '--until':
    case '--only':
    case '--force':
      return stagesOfFile(line, current);
    case '--set':
      return settable(line, current);
    case '--profile':
      return { ...nothing, candidates: (await outlineOf(line))?.profiles ?? [] };
    case '--run':
      return { ...nothing, candidates: await runsIn(line) };
    case '--runs-dir':
    case '--directory':
      return { ...nothing, files: 'folders' };
    default:
      // `<file>` and `<path>` of other verbs; a number or a date has nothing to choose from.
      return /<(file|path|archive)>/.test(option.flags) ? { ...nothing, files: 'any' } : nothing;
  }
}

async function valuesAt(argument: Argument, line: Line): Promise<Answer> {
  const { operands, verb } = line;
  if (argument.argChoices) return { ...nothing, candidates: argument.argChoices.map((text) => ({ text })) };
  switch (argument.name()) {
    case 'file':
    case 'files': {
      // `why FILE STAGE` is as good as `why STAGE FILE`.
      const stageToo = verb.registeredArguments[0]?.name() === 'stage' && operands.some(isYaml);
      return stageToo ? stagesOfFile(line, line.current) : { ...nothing, files: 'yaml' };
    }
    case 'stage': {
      // Of a run (show, logs) or of a file (why).
      if (!verb.registeredArguments.some((one) => one.name() === 'file') && !operands.some(isYaml))
        return { ...nothing, candidates: await stagesOfRun(line) };
      const answer = await stagesOfFile(line, line.current);
      return { ...answer, files: operands.some(isYaml) ? 'none' : 'yaml' };
    }
    case 'stage|key':
      return { ...nothing, candidates: await stagesOfRun({ ...line, operands: [] }) };
    case 'run':
    case 'runs':
    case 'run|stage|key':
      // `show --config` takes a file, too.
      return {
        ...nothing,
        candidates: await runsIn(line),
        files: line.given.has('--config') ? 'yaml' : 'none',
      };
    case 'kind': {
      const { registry } = await import('../../../stages/registry.js');
      const kinds = registry.kinds().map((text) => ({ text, description: registry.get(text)!.summary }));
      const experiment = { text: 'experiment', description: 'the JSON Schema of experiment files' };
      return { ...nothing, candidates: [...kinds, experiment] };
    }
    default:
      // A filter or a digest has nothing to choose from.
      return /^(archive|path|folder)s?$/.test(argument.name()) ? { ...nothing, files: 'any' } : nothing;
  }
}

const isYaml = (word: string) => /\.ya?ml$/.test(word);

/** The experiment file on the line, wherever on it, or the one that verbs take without. */
const fileOn = ({ operands }: Line) => resolve(operands.find(isYaml) ?? 'experiment.yaml');

const outlineOf = async (line: Line) => {
  const { outline } = await import('./outline.js');
  return outline(fileOn(line), line.given.get('--profile') ?? [], line.given.get('--set') ?? []);
};

/** Names of stages; from `samples@` on, its points. */
async function stagesOfFile(line: Line, current: string): Promise<Answer> {
  if (current.includes('@')) {
    const { pointsOf } = await import('./points.js');
    const { given } = line;
    return {
      ...nothing,
      candidates: await pointsOf(
        fileOn(line),
        current.slice(0, current.indexOf('@')),
        given.get('--profile') ?? [],
        given.get('--set') ?? [],
      ),
    };
  }
  const found = await outlineOf(line);
  return { ...nothing, candidates: found?.stages ?? [] };
}

/** `params.identities=`: a step of the path at a time. */
async function settable(line: Line, current: string): Promise<Answer> {
  if (current.includes('=')) return nothing;
  const found = await outlineOf(line);
  return { candidates: found?.below(current) ?? [], files: 'none', open: true };
}

async function runsIn(line: Line): Promise<Candidate[]> {
  const { listRuns } = await import('../../journal/reader.js');
  const runs = listRuns(runsDirOn(line)).map(({ run, state, started }) => ({
    text: run,
    description: `${started.name}: ${state}`,
  }));
  return runs.length === 0 ? [] : [{ text: 'latest', description: 'the newest run' }, ...runs];
}

async function stagesOfRun(line: Line): Promise<Candidate[]> {
  const { findRun } = await import('../run-files.js');
  const word = line.given.get('--run')?.at(-1) ?? line.operands[0];
  try {
    const { started } = findRun(runsDirOn(line), word);
    return started.stages.map(({ name, kind }) => ({ text: name, description: kind }));
  } catch {
    // No such run: the verb itself says so.
    return [];
  }
}

function runsDirOn({ given }: Line): string {
  const folder = given.get('--runs-dir')?.at(-1);
  return folder === undefined ? defaultRunsDir(process.cwd()) : resolve(folder);
}

function starting(answer: Answer, word: string): Answer {
  return { ...answer, candidates: answer.candidates.filter(({ text }) => text.startsWith(word)) };
}
