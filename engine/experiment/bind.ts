/** The inputs of one stage: read from the file, then bound to instances or paths, point by point. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import type { InputDeclaration, OutputDeclaration, StageDeclaration } from '../../stages/contract.js';
import type { InputSource, Scalar, StageInstance } from './experiment.js';
import { listed, type Problems } from './problems.js';
import { choicesOf, type InstanceSet, parseReference, type Reference } from './reference.js';
import { failed, type Point, type Scope } from './scope.js';
import type { Span } from './source.js';
import type { StageSpec } from './structure.js';
import { type Node, type ScalarNode, someLeaf, typeName } from './tree.js';

/** One source of an input, as the file says it at one point. */
export interface Asked {
  input: string;
  reference: Reference;
  /** As it is written, for messages. */
  text: string;
  span: Span;
  /** What a path is relative to. */
  folder: string;
}

/** What is known of a stage whose instances have been made. */
export interface Made {
  instances: InstanceSet;
  /** Something above is wrong, which is said: it may come to have other points, and only what it gives is known. */
  uncertain: boolean;
  /** Absent where its settings are wrong. By instance name. */
  outputs: ReadonlyMap<string, Readonly<Record<string, OutputDeclaration>>>;
}

/** The inputs of a stage at one point. */
export interface AskedInputs {
  asked: readonly Asked[];
  /** Whether all that the file gives could be read. */
  complete: boolean;
}

/** Reads and checks the names under `inputs`, and the texts; asks nothing of other stages. */
export class StageInputs {
  private same: AskedInputs | undefined;
  private readonly varies: boolean;
  /** Inputs that a misspelt name was meant for: that they are missing need not be said. */
  private readonly misspelt = new Set<string>();

  constructor(
    private readonly spec: StageSpec,
    private readonly declaration: StageDeclaration | undefined,
    private readonly scope: Scope,
    private readonly problems: Problems,
  ) {
    this.varies = [...spec.inputs.values()].some((entry) =>
      someLeaf(entry.node, (leaf) => String(leaf.value).includes('matrix')),
    );
    if (declaration) this.checkNames(declaration);
  }

  private checkNames(declaration: StageDeclaration): void {
    const { spec, problems } = this;
    const names = Object.keys(declaration.inputs);
    for (const [input, { key }] of spec.inputs) {
      if (names.includes('*')) {
        if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(input))
          problems.add(
            key,
            `'${input}' cannot be the name of an input`,
            "letters, digits, '_' and '-', a letter first",
          );
      } else if (!names.includes(input)) {
        const near = problems.nearest(input, names);
        if (near !== undefined) this.misspelt.add(near);
        problems.add(
          key,
          `'${input}' is not an input of ${declaration.kind}${problems.suggest(input, names)}`,
          names.length === 0
            ? 'it takes none'
            : `it takes ${listed(names)} (cemiflow schema ${declaration.kind})`,
        );
      }
    }
  }

  at(point: Point): AskedInputs {
    if (this.same) return this.same;
    const inputs = this.read(point);
    if (!this.varies) this.same = inputs;
    return inputs;
  }

  private read(point: Point): AskedInputs {
    const asked: Asked[] = [];
    const given = new Set<string>();
    let complete = true;
    for (const [input, { node }] of this.spec.inputs) {
      // An expression may stand for a list: then its items are read where they were written.
      const written = node.type === 'list' ? node : this.listBehind(node, point);
      const items = written.type === 'list' ? written.items : [node];
      for (const item of items) {
        const one = this.readOne(input, item, point);
        if (one === 'not given') continue;
        given.add(input);
        if (one === failed) complete = false;
        else asked.push(one);
      }
    }
    this.checkRequired(given);
    return { asked, complete };
  }

  private listBehind(node: Node, point: Point): Node {
    const written = this.scope.writtenAt(node, point);
    return written.type === 'list' ? written : node;
  }

  private readOne(input: string, item: Node, point: Point): Asked | 'not given' | typeof failed {
    const value = this.scope.evaluate(item, { point });
    if (value === failed) return failed;
    const written = this.scope.writtenAt(item, point);
    // `${{ params.pairs }}` with nothing in it: an input that is not given.
    if (value === null || value === '') return 'not given';
    const refuse = (message: string, hint?: string): typeof failed => {
      this.problems.add(written.span, message, hint);
      return failed;
    };
    if (typeof value !== 'string')
      return refuse(`input '${input}' takes the name of a stage or path:..., not ${typeName(value)}`);
    const reference = parseReference(value);
    if (typeof reference === 'string')
      return refuse(
        `'${value}' ${reference}`,
        'write a stage (faces), an output (faces.inquiry), a point (samples@m=0), all points (samples@*), or path:../photos',
      );
    let folder = written.span.source.folder;
    if (reference.type === 'path') {
      const param = item.type === 'scalar' ? this.leadingParam(item, point) : undefined;
      if (param) folder = param.node.span.source.folder;
      if (reference.path === '') {
        if (param && this.declaration?.inputs[input]?.optional) return 'not given';
        return refuse(
          `the path of input '${input}' is empty`,
          param ? `give it: --set ${param.name}=...` : 'write path:../photos, for example',
        );
      }
    }
    return { input, reference, text: value, span: written.span, folder };
  }

  /** For `path:${{ params.photos }}`, the param: its place says what the path is relative to. */
  private leadingParam(item: ScalarNode, point: Point): { node: Node; name: string } | undefined {
    if (typeof item.value !== 'string' || !item.value.startsWith('path:${{')) return undefined;
    const expression = this.scope.template(item.value).parts[1];
    if (expression?.type !== 'expression') return undefined;
    const node = this.scope.named(expression.syntax, point);
    return (
      node && {
        node: this.scope.writtenAt(node, point),
        name: item.value.slice(expression.syntax.start, expression.syntax.end),
      }
    );
  }

  private checkRequired(given: ReadonlySet<string>): void {
    const { declaration, spec, problems } = this;
    const { inputs: unread } = spec.unread;
    if (unread === 'all') return;
    for (const [input, { optional, description, types }] of Object.entries(declaration?.inputs ?? {}))
      if (input !== '*' && !optional && !given.has(input) && !this.misspelt.has(input) && !unread.has(input))
        problems.add(
          spec.inputs.get(input)?.key ?? spec.key,
          `${declaration!.kind} needs the input '${input}'`,
          `${typesText(types)}. ${description}`,
        );
  }
}

/** Whether the source is all points along an axis, rather than one that is found by it. */
export function takesAll(reference: Reference, axis: string): boolean {
  return reference.type === 'stage' && (reference.free === 'all' || reference.free.has(axis));
}

/**
 * The instances that a reference selects at a point; [] and a problem where that is not what the input takes.
 * @param point undefined where its values are not known: then one stands for all that may be meant, as for a stage that is uncertain
 */
export function selectInstances(
  asked: Asked,
  point: Readonly<Record<string, Scalar>> | undefined,
  made: Made,
  name: string,
  problems: Problems,
  several: boolean,
): readonly StageInstance[] {
  const { reference } = asked;
  if (reference.type === 'path') return [];
  const { stage, fixed, free } = reference;
  const { instances } = made;
  if (made.uncertain) return instances.all.slice(0, 1);
  const axes = [...instances.axes];
  const wanted = [...fixed.keys(), ...(free === 'all' ? [] : free)];
  const unknown = wanted.find((axis) => !instances.axes.has(axis));
  if (unknown !== undefined) {
    problems.add(
      asked.span,
      `${stage} has no axis '${unknown}'${problems.suggest(unknown, axes)}`,
      axes.length === 0 ? `it has no matrix: write ${stage}` : `choices: ${choicesOf(instances.all, stage)}`,
    );
    return [];
  }
  const selected = instances.select(fixed, free === 'all' ? {} : (point ?? {}), free);
  if (selected.length === 0) {
    problems.add(
      asked.span,
      `no point of ${stage} fits '${asked.text}' for ${name}`,
      `choices: ${choicesOf(instances.all, stage)}`,
    );
    return [];
  }
  if (!point) return selected.slice(0, 1);
  const all = free === 'all' || free.size > 0;
  if (selected.length > 1 && !(several && all)) {
    const hint = `choices: ${choicesOf(selected, stage)}${several ? `; ${stage}@* takes all` : ''}`;
    problems.add(
      asked.span,
      all
        ? `input '${asked.input}' takes one artifact, and '${asked.text}' is ${selected.length}`
        : `'${asked.text}' may be any of ${selected.length} points of ${stage} for ${name}`,
      hint,
    );
    return [];
  }
  return selected;
}

/** All sources of an instance by input. Types are checked here; what is wrong is left out. */
export function bindInputs(
  asked: readonly Asked[],
  instance: {
    name: string;
    point: Readonly<Record<string, Scalar>> | undefined;
    declaration: StageDeclaration;
  },
  made: ReadonlyMap<string, Made>,
  paths: Paths,
  problems: Problems,
): Record<string, InputSource[]> {
  const bound: Record<string, InputSource[]> = {};
  for (const one of asked) {
    const { declaration } = instance;
    const input = declaration.inputs[one.input] ?? declaration.inputs['*'];
    if (!input) continue;
    const several = input.many === true || declaration.inputs['*'] !== undefined;
    const sources = (bound[one.input] ??= []);
    if (one.reference.type === 'path') {
      const path = paths.find(one, problems);
      if (path !== undefined) sources.push({ from: 'path', path });
    } else {
      const from = made.get(one.reference.stage);
      if (!from) continue;
      for (const source of selectInstances(one, instance.point, from, instance.name, problems, several)) {
        const output = outputOf(one, source, from, input, problems);
        if (output) sources.push({ from: 'stage', stage: source.name, ...output });
      }
    }
    if (sources.length === 2 && !several && asked.filter((other) => other.input === one.input).length > 1)
      problems.add(
        one.span,
        `input '${one.input}' of ${declaration.kind} takes one artifact, not a list`,
        'keep one of them',
      );
  }
  return bound;
}

function outputOf(
  asked: Asked,
  source: StageInstance,
  made: Made,
  input: InputDeclaration,
  problems: Problems,
): { output: string; type: OutputDeclaration['type'] } | undefined {
  const outputs = made.outputs.get(source.name);
  // Its settings are wrong, which is said: what it gives is not known.
  if (!outputs || asked.reference.type === 'path') return undefined;
  const names = Object.keys(outputs);
  const given = Object.entries(outputs)
    .map(([name, { type }]) => `${name} (${type})`)
    .join(', ');
  const output = asked.reference.output ?? names[0];
  const found = output === undefined ? undefined : outputs[output];
  if (output === undefined || !found || !Object.hasOwn(outputs, output)) {
    const word = asked.reference.output;
    problems.add(
      asked.span,
      word === undefined
        ? `${source.stage} has no outputs`
        : `${source.stage} has no output '${word}'${problems.suggest(word, names)}`,
      `it gives ${given || 'nothing'}`,
    );
    return undefined;
  }
  if (input.types !== 'any' && !input.types.includes(found.type)) {
    const fitting = names.filter((name) => input.types.includes(outputs[name]!.type));
    const hint =
      fitting.length > 0
        ? `write ${fitting.map((name) => `${source.stage}.${name}`).join(' or ')}`
        : `${source.stage} gives ${given}`;
    problems.add(
      asked.span,
      `input '${asked.input}' takes ${typesText(input.types)}, but ${source.stage}${asked.reference.output === undefined ? '' : `.${output}`} is ${found.type}`,
      hint,
    );
    return undefined;
  }
  return { output, type: found.type };
}

function typesText(types: InputDeclaration['types']): string {
  return types === 'any' ? 'any artifact' : types.join(' or ');
}

/** Outside paths; each is looked for once. */
export class Paths {
  private readonly known = new Map<string, boolean>();

  find(asked: Asked, problems: Problems): string | undefined {
    if (asked.reference.type !== 'path') return undefined;
    const said = asked.reference.path;
    const path = resolve(asked.folder, said.startsWith('~/') ? `${homedir()}/${said.slice(2)}` : said);
    let exists = this.known.get(path);
    if (exists === undefined) {
      exists = existsSync(path);
      this.known.set(path, exists);
    }
    if (exists) return path;
    problems.add(asked.span, `'${said}' does not exist`, `looked for ${path}`);
    return undefined;
  }
}
