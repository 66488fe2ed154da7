/**
 * Filters of `list` and `compare`: an expression of the experiment file's language, with `and`, `or`, `not`, about one stage
 * and the run it belongs to. What something does not have (a metric that was not measured, a run that has not ended) makes a
 * comparison neither true nor false, as in SQL; a name that nothing has is an error. Pure.
 */
import type { Json, JsonObject } from '../../stages/contract.js';
import { type Branch, type Contexts, evaluate } from '../experiment/expressions/evaluate.js';
import { ExpressionError } from '../experiment/expressions/lexer.js';
import { parseWhole, type Syntax } from '../experiment/expressions/parser.js';
import { Problems } from '../experiment/problems.js';
import type { RunState } from '../journal/reader.js';
import type { PlannedStage, StageStatus } from '../journal/events.js';
import type { ComparisonRow } from './compare.js';
import type { RunRecord } from './run.js';

/** What an expression may name, of the run ... */
const runNames = [
  'run',
  'name',
  'status',
  'started',
  'seconds',
  'seed',
  'device',
  'host',
  'commit',
  'version',
  'params',
] as const;
/** ... of one of its stages ... */
const stageNames = ['stage', 'kind', 'outcome', 'matrix', 'metrics', 'with'] as const;
/** ... and, in a comparison, of the row that the stage became. */
const rowNames = ['label', 'gtr', 'n', 'std'] as const;

type Name = (typeof runNames)[number] | (typeof stageNames)[number] | (typeof rowNames)[number];
/** Of one stage of one run; without what it does not have. */
export type Subject = Partial<Record<Name, Json>>;

/** What is wrong with the filter, with the place in it. */
export class FilterError extends Error {
  override readonly name = 'FilterError';
  constructor(
    text: string,
    { message, start, end, hint }: ExpressionError,
    readonly remedy = hint,
  ) {
    const mark = `${' '.repeat(start)}${'~'.repeat(Math.max(1, Math.min(end, text.length) - start))}`;
    super(`${message}\n  ${text}\n  ${mark}`);
  }
}

export interface Filter {
  /** Whether it names anything of a stage, so that it matters which one holds. */
  aboutStages: boolean;
  /** @param subject one of those the filter was opened with. @throws FilterError where values cannot be compared */
  holds(subject: Subject): boolean;
}

/** @param subjects all there are: a name that none of them has is a mistake. @throws FilterError */
export function openFilter(text: string, subjects: readonly Subject[]): Filter {
  const located = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      if (error instanceof ExpressionError) throw new FilterError(text, error);
      throw error;
    }
  };
  const syntax = located(() => {
    if (text.trim() === '')
      throw new ExpressionError('the filter is empty', 0, 1, 'write for instance: status == "failed"');
    const parsed = parseWhole(text);
    checkNames(parsed, subjects);
    return parsed;
  });
  const named = new Set(namesIn(syntax));
  return {
    aboutStages: stageNames.some((name) => named.has(name)),
    holds: (subject) => located(() => truth(syntax, subject, subjects)) === true,
  };
}

/** Thrown out of an evaluation that asks for what the subject does not have. */
class Absent extends Error {}

/** Kleene's logic: undefined where what is asked for is not there. */
function truth(syntax: Syntax, subject: Subject, all: readonly Subject[]): boolean | undefined {
  if (syntax.type === 'binary' && (syntax.sign === '&&' || syntax.sign === '||')) {
    const decisive = syntax.sign === '||';
    const left = truth(syntax.left, subject, all);
    if (left === decisive) return decisive;
    const right = truth(syntax.right, subject, all);
    if (right === decisive) return decisive;
    return left === undefined || right === undefined ? undefined : !decisive;
  }
  if (syntax.type === 'unary' && syntax.sign === '!') {
    const of = truth(syntax.of, subject, all);
    return of === undefined ? undefined : !of;
  }
  for (const name of namesIn(syntax)) if (subject[name as Name] === undefined) return undefined;
  try {
    const value = evaluate(syntax, contextsOf(subject, all), suggest);
    return value !== false && value !== null && value !== 0 && value !== '';
  } catch (error) {
    if (error instanceof Absent) return undefined;
    throw error;
  }
}

function contextsOf(subject: Subject, all: readonly Subject[]): Contexts {
  return Object.fromEntries(
    Object.entries(subject).map(([name, value]) => [
      name,
      isMap(value)
        ? branch(
            name,
            value,
            all.map((other) => other[name as Name]),
          )
        : value,
    ]),
  );
}

/** A map that knows the names its like have elsewhere. */
function branch(path: string, own: JsonObject | undefined, all: readonly (Json | undefined)[]): Branch {
  const keys = keysOf(all);
  return {
    path,
    keys: () => keys,
    get(key) {
      const value = own?.[key];
      if (value === undefined) throw new Absent();
      return isMap(value)
        ? branch(
            `${path}.${key}`,
            value,
            all.map((map) => (isMap(map) ? map[key] : undefined)),
          )
        : value;
    },
  };
}

const isMap = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const keysOf = (maps: readonly (Json | undefined)[]) => [
  ...new Set(maps.flatMap((map) => (isMap(map) ? Object.keys(map) : []))),
];

const problems = new Problems();
const suggest = (word: string, names: Iterable<string>) => problems.suggest(word, names);

/** Names that can be known wrong before anything is compared, so that a typing mistake does not look like an empty answer. */
function checkNames(syntax: Syntax, subjects: readonly Subject[]): void {
  const ofRows = rowNames.filter((name) => subjects.some((subject) => name in subject));
  const known: string[] = [...runNames, ...stageNames, ...ofRows];
  for (const part of parts(syntax)) {
    if (part.type === 'name' && !known.includes(part.name)) {
      throw new ExpressionError(
        `there is no '${part.name}' to filter by${suggest(part.name, known)}`,
        part.start,
        part.end,
        `known: ${known.join(', ')}`,
      );
    }
    if (part.type !== 'member' || part.of.type !== 'name' || part.key.type !== 'literal') continue;
    const maps = subjects.map((subject) => subject[(part.of as { name: Name }).name]).filter(isMap);
    const keys = keysOf(maps);
    const key = String(part.key.value);
    if (maps.length === 0 || keys.includes(key)) continue;
    const of = part.of.name;
    throw new ExpressionError(
      `no ${of === 'params' ? 'run' : 'stage'} here has ${of}[${JSON.stringify(key)}]${suggest(key, keys)}`,
      part.key.start,
      part.key.end,
      `${of} here: ${keys.slice(0, 30).join(', ') || 'none'}${keys.length > 30 ? ', ...' : ''}`,
    );
  }
}

const namesIn = (syntax: Syntax) =>
  [...parts(syntax)].flatMap((part) => (part.type === 'name' ? [part.name] : []));

/** The syntax and all that is in it. */
function* parts(syntax: Syntax): Generator<Syntax> {
  yield syntax;
  if (syntax.type === 'member') {
    yield* parts(syntax.of);
    yield* parts(syntax.key);
  } else if (syntax.type === 'values' || syntax.type === 'unary') yield* parts(syntax.of);
  else if (syntax.type === 'binary') {
    yield* parts(syntax.left);
    yield* parts(syntax.right);
  } else if (syntax.type === 'call') for (const arg of syntax.args) yield* parts(arg);
}

export function runSubject(
  { started, ended }: Pick<RunRecord, 'started' | 'ended'>,
  state: RunState,
): Subject {
  return {
    run: started.run,
    name: started.name,
    status: state,
    started: started.at,
    ...(ended ? { seconds: ended.seconds } : {}),
    seed: started.seed,
    device: started.device,
    host: started.host,
    ...(started.git ? { commit: started.git.commit } : {}),
    version: started.version,
    params: started.params,
  };
}

export function stageSubject(
  { name, kind, point, settings }: PlannedStage,
  end: { status: StageStatus; metrics: Record<string, number> } | undefined,
): Subject {
  return {
    stage: name,
    kind,
    ...(end ? { outcome: end.status } : {}),
    matrix: { ...point },
    metrics: end?.metrics ?? {},
    with: settings,
  };
}

/** A row has the stage's names, its metrics being means over replicas, and names of its own. */
export function rowSubject({ label, gtr, n, std, metrics }: ComparisonRow): Subject {
  return { label, n, metrics, ...(gtr === null ? {} : { gtr }), ...(std === null ? {} : { std }) };
}
