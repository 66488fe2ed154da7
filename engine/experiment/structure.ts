/**
 * The composed tree against schemas/experiment.schema.json, and what it says of each stage. Everything but `with` and
 * `inputs`, which may differ from point to point, has its expressions computed here.
 */
import type { FailureClass, Json, JsonObject, Retry } from './experiment.js';
import { Checker } from './faults.js';
import { fileSchema, profileSchema, stageSchema } from './file-schema.js';
import { hasExpression } from './expressions/template.js';
import type { Problems } from './problems.js';
import { sayFaults, type Subject } from './say-fault.js';
import { failed, type Scope } from './scope.js';
import type { Span } from './source.js';
import { entryOf, isMap, type MapNode, type Node, type Path, toPlain } from './tree.js';

/** What the file says of one stage, checked as far as it does not depend on the point. */
export interface StageSpec {
  name: string;
  key: Span;
  node: MapNode;
  uses: string;
  usesSpan: Span;
  usesFolder: string;
  with?: { key: Span; node: Node };
  inputs: ReadonlyMap<string, { key: Span; node: Node }>;
  /** What is there and wrong, which is said: what would be asked of it is not missed. Of inputs their names, or all. */
  unread: { with: boolean; inputs: ReadonlySet<string> | 'all' };
  matrix?: { value: Json; node: Node };
  seeds?: { value: readonly number[]; node: Node };
  after: readonly { text: string; node: Node }[];
  resources: { cpus?: number; gpus?: number };
  device?: string;
  retry: Retry;
  timeout?: number;
  /** Its matrix or seeds are wrong, so that its points are not known. */
  pointless: boolean;
}

export interface Structure {
  specs: Map<string, StageSpec>;
  /** The top of the file as plain values; what is wrong is missing. */
  top: JsonObject;
}

let fileChecker: Checker | undefined;
let stageChecker: Checker | undefined;
let profileChecker: Checker | undefined;

export function readStructure(root: MapNode, scope: Scope, problems: Problems): Structure {
  const top: JsonObject = {};
  const specs = new Map<string, StageSpec>();
  const wrong = new Set<string>();
  for (const [key, { value: node }] of root.entries) {
    if (key === 'stages' && isMap(node)) continue;
    if (key === 'profiles') top[key] = isMap(node) ? {} : toPlain(node);
    else if (key === 'params') top[key] = isMap(node) ? {} : toPlain(node);
    else {
      const value = scope.evaluate(node, {});
      if (value !== failed) top[key] = value;
    }
  }
  const stages = entryOf(root, 'stages')?.value;
  const plainStages: JsonObject = {};
  if (isMap(stages)) {
    for (const [name, { value }] of stages.entries)
      plainStages[name] = isMap(value) ? plainStage(value, name, scope, wrong) : toPlain(value);
    top['stages'] = plainStages;
  }

  fileChecker ??= new Checker(fileSchema);
  stageChecker ??= new Checker(stageSchema);
  const subject = subjectOf(root, scope);
  const faults = fileChecker.check(top);
  sayFaults(faults, subject, problems);
  for (const fault of faults) {
    const [first, part] = 'key' in fault ? [...fault.path, fault.key] : fault.path;
    if (first === 'stages' && part !== undefined) wrong.add(String(part));
    else if (first !== undefined && first !== 'stages') remove(top, String(first), part);
  }
  // One by one: the errors of ten thousand stages in one list would take the checker minutes to put together.
  for (const [name, plain] of Object.entries(plainStages)) {
    const faults = stageChecker.check(plain);
    sayFaults(
      faults.map((fault) => ({ ...fault, path: ['stages', name, ...fault.path] })),
      subject,
      problems,
    );
    for (const fault of faults) {
      const [key, part] = 'key' in fault ? [...fault.path, fault.key] : fault.path;
      // One input that is wrong does not keep the others from being checked.
      if (key === 'inputs' && part !== undefined) wrong.add(`${name}/inputs/${part}`);
      else wrong.add(key === undefined ? name : `${name}/${key}`);
    }
  }
  checkProfiles(entryOf(root, 'profiles')?.value, scope, problems);

  if (isMap(stages))
    for (const [name, { key, value }] of stages.entries)
      if (isMap(value) && !wrong.has(name))
        specs.set(name, specOf(name, key, value, plainStages[name] as JsonObject, wrong));
  return { specs, top };
}

/** Leaves out what is wrong, so that the rest of it can be checked further. */
function remove(top: JsonObject, key: string, part: string | number | undefined): void {
  const whole = top[key];
  if (part !== undefined && typeof whole === 'object' && whole !== null && !Array.isArray(whole))
    top[key] = Object.fromEntries(Object.entries(whole).filter(([name]) => name !== part));
  else Reflect.deleteProperty(top, key);
}

/** `with` and `inputs` stay as they are; an expression that fails leaves its key out. */
function plainStage(stage: MapNode, name: string, scope: Scope, wrong: Set<string>): JsonObject {
  const plain: JsonObject = {};
  for (const [key, { value: node }] of stage.entries) {
    if (key === 'with') plain[key] = isMap(node) || isExpression(node) ? {} : toPlain(node);
    else if (key === 'uses' || key === 'inputs') plain[key] = toPlain(node);
    else {
      const value = scope.evaluate(node, {});
      if (value === failed) wrong.add(`${name}/${key}`);
      else plain[key] = value;
    }
  }
  return plain;
}

function isExpression(node: Node): boolean {
  return node.type === 'scalar' && typeof node.value === 'string' && hasExpression(node.value);
}

function specOf(
  name: string,
  key: Span,
  node: MapNode,
  plain: JsonObject,
  wrong: ReadonlySet<string>,
): StageSpec {
  const right = (what: string): { key: Span; value: Node } | undefined =>
    wrong.size > 0 && wrong.has(`${name}/${what}`) ? undefined : node.entries.get(what);
  const uses = right('uses');
  const matrix = right('matrix');
  const seeds = right('seeds');
  const settings = right('with');
  const inputs = right('inputs')?.value;
  const named = isMap(inputs) ? [...inputs.entries.keys()] : [];
  const wrongInputs = new Set(named.filter((input) => wrong.has(`${name}/inputs/${input}`)));
  const after = right('after')?.value;
  const device = right('device') && plain['device'];
  const retry = right('retry') && plain['retry'];
  const timeout = right('timeout') && plain['timeout'];
  const afterNames = after ? [plain['after']].flat() : [];
  return {
    name,
    key,
    node,
    uses: uses ? String(plain['uses']) : '',
    usesSpan: uses?.value.span ?? key,
    usesFolder: (uses?.value.span ?? key).source.folder,
    ...(settings && !isNull(settings.value) ? { with: { key: settings.key, node: settings.value } } : {}),
    inputs: isMap(inputs) ? givenInputs(inputs, wrongInputs) : none,
    unread: {
      with: wrong.has(`${name}/with`),
      inputs: wrong.has(`${name}/inputs`) ? 'all' : wrongInputs,
    },
    ...(matrix ? { matrix: { value: plain['matrix']!, node: matrix.value } } : {}),
    ...(seeds ? { seeds: { value: plain['seeds'] as number[], node: seeds.value } } : {}),
    after: afterNames.map((text, index) => ({
      text: String(text),
      node: after!.type === 'list' ? (after!.items[index] ?? after!) : after!,
    })),
    resources: (right('resources') && (plain['resources'] as StageSpec['resources'])) || {},
    ...(typeof device === 'string' ? { device } : {}),
    retry: retryOf(retry as RetrySetting | undefined),
    ...(timeout === undefined ? {} : { timeout: seconds(timeout as string | number) }),
    pointless: wrong.has(`${name}/matrix`) || wrong.has(`${name}/seeds`),
  };
}

const none: StageSpec['inputs'] = new Map();

function givenInputs(inputs: MapNode, wrong: ReadonlySet<string>): StageSpec['inputs'] {
  const given = new Map<string, { key: Span; node: Node }>();
  for (const [input, { key, value }] of inputs.entries)
    if (!isNull(value) && !wrong.has(input)) given.set(input, { key, node: value });
  return given;
}

function isNull(node: Node): boolean {
  return node.type === 'scalar' && node.value === null;
}

/** As the schema has it. */
type RetrySetting = number | { times: number; on?: FailureClass[]; backoff?: string | number };

function retryOf(setting: RetrySetting = 0): Retry {
  const { times, on, backoff } = typeof setting === 'number' ? { times: setting } : setting;
  // Not `error`: what is wrong with a program or its settings is wrong the next time, too.
  return { times, on: on ?? ['memory', 'crash', 'timeout', 'io'], backoff: seconds(backoff ?? 5) };
}

function seconds(timeout: string | number): number {
  if (typeof timeout === 'number') return timeout;
  const unit = { s: 1, m: 60, h: 3600 }[timeout.slice(-1)]!;
  return Number(timeout.slice(0, -1)) * unit;
}

/** Profiles are checked whether they are used or not; their expressions are not computed. */
function checkProfiles(profiles: Node | undefined, scope: Scope, problems: Problems): void {
  if (!isMap(profiles)) return;
  profileChecker ??= new Checker(profileSchema);
  for (const { key, value } of profiles.entries.values()) {
    const subject = subjectOf(value, scope, { key, title: 'a profile' });
    sayFaults(profileChecker.check(toPlain(value)), subject, problems);
  }
}

function subjectOf(root: Node, scope: Scope, profile?: { key: Span; title: string }): Subject {
  const title = (path: Path, given: string | undefined): string =>
    path.length === 0 ? (profile?.title ?? 'an experiment') : (given ?? `'${String(path.at(-1))}'`);
  const locate = (path: Path): { key: Span; value: Span } => {
    let node = root;
    let key = profile?.key ?? { ...root.span, end: root.span.start + 1 };
    for (const step of path) {
      node = scope.writtenAt(node, undefined);
      const entry = entryOf(node, String(step));
      const item = node.type === 'list' ? node.items[Number(step)] : undefined;
      if (!entry && !item) return { key, value: key };
      key = entry?.key ?? item!.span;
      node = entry?.value ?? item!;
    }
    return { key, value: scope.writtenAt(node, undefined).span };
  };
  return {
    member: (path, given) => `a key of ${title(path, given)}`,
    owner: (path, given) =>
      path.length === 2 && path[0] === 'stages' ? `stage '${String(path[1])}'` : title(path, given),
    name: (path) =>
      path.reduce<string>(
        (name, step, index) => (/^\d+$/.test(String(step)) && index > 0 ? `${name}[${step}]` : String(step)),
        '',
      ),
    more: '',
    value: (path) => locate(path).value,
    key: (path, key) => locate([...path, key]).key,
    map: (path) => locate(path).key,
    instead: (path, key) =>
      path.at(-2) === 'stages' && Object.hasOwn(elsewhere, key) ? elsewhere[key] : undefined,
  };
}

const waits =
  'a stage waits for what it names under inputs:, or under after: where nothing of that is an input';
const program = 'a program is run by uses: command, with: { run: ..., outputs: { name: files } }';
/** Keys that stages have in GitHub Actions, DVC and Snakemake, and what there is here. */
const elsewhere: Readonly<Record<string, string>> = {
  needs: waits,
  deps: waits,
  depends_on: waits,
  input: 'write inputs: { name: stage }',
  run: program,
  cmd: program,
  shell: program,
  script: program,
  outs: program,
  output: program,
  outputs: program,
  env: 'a program gets its environment by with: { env: { NAME: value } }',
  strategy: 'write matrix: beside uses:',
  params: 'a stage has its settings under with:',
  args: 'a stage has its settings under with:',
  if: 'every stage of a file runs; --until, --only and profiles choose among them',
  name: "a stage's name is its key under stages:",
};
