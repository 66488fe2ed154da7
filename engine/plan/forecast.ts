/**
 * What a run will take, stage by stage, from earlier results of the same kind on the same device: time, disk, memory. Scaled
 * by the work that the settings ask for where the kind tells how much that is (stages/work.ts), else taken as it was, with
 * what differs. Where there is no earlier result, nothing is claimed. Pure.
 */
import { median } from 'simple-statistics';
import type { JsonObject } from '../../stages/contract.js';
import { memoryOf, workOf, type WorkMeasure } from '../../stages/registry.js';
import type { StageInstance } from '../experiment/experiment.js';
import { differences } from './differences.js';
import type { Decision, StageResult } from './plan.js';

/** How like the earlier result is: the same work, the same but for its amount, or the nearest there is. */
export type Nearness = 'same' | 'scaled' | 'near';

export interface StageForecast {
  name: string;
  seconds: number;
  diskBytes: number;
  peakRssBytes: number;
  nearness: Nearness;
  /** What the earlier time was multiplied with; 1 where nothing says with what. */
  scale: number;
  /** One of the results it is taken from: its own, else the newest. */
  from: { run: string; stage: string };
  /** Settings in which that one differs and that its time may depend on; `input NAME` for one of another size. */
  differs: string[];
}

export interface UnknownStage {
  name: string;
  /** A sentence's end: "no earlier run of fr-train". */
  because: string;
  /** What its settings let expect, where they tell. */
  peakRssBytes?: number;
}

export interface Forecasts {
  /** Of the stages that run or may run. */
  stages: Map<string, StageForecast>;
  unknown: UnknownStage[];
}

export interface Earlier {
  /** Results of that kind, oldest first. */
  ofKind(kind: string): readonly StageResult[];
  /** Of an artifact that some result has as its output. */
  bytesOf(digest: string): number | undefined;
}

/** So many of the nearest results have a say, those of the stage itself first, then the newest. */
const consulted = 5;
/** Devices whose activations are in their own memory. */
const onCards: ReadonlySet<string> = new Set(['tensorflow', 'webgpu']);
/** Inputs so much larger or smaller are of another size. */
const alike = 1.1;

/**
 * @param instances in topological order
 * @param device as asked for; auto takes what the newest results were made on
 */
export function forecast(
  instances: readonly StageInstance[],
  decisions: ReadonlyMap<string, Decision>,
  earlier: Earlier,
  device: string,
): Forecasts {
  const stages = new Map<string, StageForecast>();
  const unknown: UnknownStage[] = [];
  /** Bytes of each output, by instance: known where cached, expected where not. */
  const outputs = new Map<string, Record<string, number>>();
  const byName = new Map(instances.map((instance) => [instance.name, instance]));
  for (const instance of instances) {
    const decision = decisions.get(instance.name);
    if (!decision) continue;
    if (decision.act === 'reuse') {
      outputs.set(instance.name, bytesByOutput(decision.result));
      continue;
    }
    const bytesOf = (input: string) => {
      const sizes = (instance.inputs[input] ?? []).map((source, i) => {
        if (source.from === 'stage') return outputs.get(source.stage)?.[source.output];
        const digest = 'components' in decision ? decision.components.inputs[input]?.[i] : undefined;
        return digest === undefined ? undefined : earlier.bytesOf(digest);
      });
      return sum(sizes);
    };
    const given = { bytesOf, edge: edgeOf(instance, byName), recogniser: recogniserOf(instance, byName) };
    const found = nearest(instance, given, earlier, device);
    if ('because' in found) unknown.push({ name: instance.name, ...found });
    else {
      stages.set(instance.name, found.forecast);
      outputs.set(instance.name, found.outputs);
    }
  }
  return { stages, unknown };
}

/**
 * The bytes that a stage is expected to take at its peak, as `forecast` has them; undefined where nothing is known.
 * @param byName all instances of the experiment
 */
export function expectedMemory(
  instance: StageInstance,
  byName: ReadonlyMap<string, StageInstance>,
  earlier: Earlier,
  device: string,
): number | undefined {
  const given = {
    bytesOf: () => undefined,
    edge: edgeOf(instance, byName),
    recogniser: recogniserOf(instance, byName),
  };
  const found = nearest(instance, given, earlier, device);
  return 'because' in found ? found.peakRssBytes : found.forecast.peakRssBytes;
}

/** The edge of the images that go in, pixels: the size that the stage which makes them is asked for. */
function edgeOf(instance: StageInstance, byName: ReadonlyMap<string, StageInstance>): number | undefined {
  for (const name of ['dataset', 'inquiry']) {
    const source = instance.inputs[name]?.[0];
    if (source?.from !== 'stage') continue;
    const maker = byName.get(source.stage);
    if (!maker) continue;
    const { size } = maker.settings;
    return typeof size === 'number' ? size : edgeOf(maker, byName);
  }
  return undefined;
}

/** The settings of the stage that makes its input model. */
function recogniserOf(
  { inputs }: StageInstance,
  byName: ReadonlyMap<string, StageInstance>,
): JsonObject | undefined {
  const source = inputs['model']?.[0];
  return source?.from === 'stage' ? byName.get(source.stage)?.settings : undefined;
}

/** What is known of the stage's inputs. */
interface Given {
  bytesOf(input: string): number | undefined;
  edge: number | undefined;
  recogniser: JsonObject | undefined;
}

interface Candidate {
  result: StageResult;
  scale: number;
  differs: string[];
  /** Smaller is nearer. */
  distance: number;
}

function nearest(
  instance: StageInstance,
  { bytesOf, edge, recogniser }: Given,
  earlier: Earlier,
  device: string,
):
  | { forecast: StageForecast; outputs: Record<string, number> }
  | Pick<UnknownStage, 'because' | 'peakRssBytes'> {
  const { kind, declaration, settings, name } = instance;
  const asked = instance.device ?? device;
  // The estimate is of a processor's memory.
  const estimate =
    edge === undefined || onCards.has(asked) ? undefined : memoryOf(kind, settings, edge, recogniser);
  const nothing = (because: string) => ({
    because,
    ...(estimate === undefined ? {} : { peakRssBytes: Math.round(estimate) }),
  });
  const all = earlier.ofKind(kind).filter((result) => sameProgram(result, instance));
  if (all.length === 0) return nothing(`no earlier run of ${kind === 'command' ? 'this program' : kind}`);
  const on = asked === 'auto' ? all.at(-1)!.by.device : asked;
  const here = declaration.device ? all.filter(({ by }) => by.device === on) : all;
  if (here.length === 0) return nothing(`no earlier run of ${kind} on ${on}`);

  const measure = workOf(kind);
  const candidates = here.map((result) => compared(result, instance, bytesOf, earlier, measure));
  const closest = Math.min(...candidates.map(({ distance }) => distance));
  const near = candidates.filter(({ distance }) => distance - closest < 0.02);
  const own = near.filter(({ result }) => result.by.stage === name);
  const taken = [...near.filter((one) => !own.includes(one)), ...own].slice(-consulted);
  const { result: model, differs, scale } = taken.at(-1)!;
  const disk = ratio(measure?.disk?.(settings), measure?.disk?.(model.components.settings)) ?? 1;
  const outputs = Object.fromEntries(
    Object.entries(bytesByOutput(model)).map(([output, bytes]) => [output, Math.round(bytes * disk)]),
  );
  const nearness = differs.length > 0 ? 'near' : Math.abs(scale - 1) < 0.02 ? 'same' : 'scaled';
  return {
    outputs,
    forecast: {
      name,
      seconds: median(taken.map((one) => one.result.by.seconds * one.scale)),
      diskBytes: sum(Object.values(outputs))!,
      peakRssBytes: Math.max(
        ...taken.map(({ result }) => peakFrom(result, instance, { edge, recogniser, estimate })),
      ),
      nearness,
      scale,
      from: { run: model.by.run, stage: model.by.stage },
      differs,
    },
  };
}

/** Where the image size is not known, any will do to compare settings. */
const anyEdge = 112;

/**
 * What an earlier run took, times what the settings say of the two; its images may have been of another size, so it counts no more than
 * the settings' own estimate lets it.
 */
function peakFrom(
  { by, components }: StageResult,
  { kind, settings }: StageInstance,
  { edge = anyEdge, recogniser, estimate }: Omit<Given, 'bytesOf'> & { estimate: number | undefined },
): number {
  const [now, then] = [settings, components.settings].map((some) => memoryOf(kind, some, edge, recogniser));
  const peak = by.peakRssBytes * (now !== undefined && then !== undefined ? now / then : 1);
  if (estimate === undefined || peak === 0) return Math.round(peak);
  return Math.round(Math.min(1.5 * estimate, Math.max(estimate / 1.5, peak)));
}

/** Two `command` stages may have nothing in common but the kind. */
function sameProgram({ components, by }: StageResult, { kind, settings, name }: StageInstance): boolean {
  return kind !== 'command' || components.settings['run'] === settings['run'] || by.stage === name;
}

function compared(
  result: StageResult,
  { kind, settings, resources, inputs }: StageInstance,
  bytesOf: (input: string) => number | undefined,
  earlier: Earlier,
  measure: WorkMeasure | undefined,
): Candidate {
  const then = result.components;
  const bytesThen = (input: string) => sum((then.inputs[input] ?? []).map((one) => earlier.bytesOf(one)));
  const scale = ratio(measure?.time?.(settings, bytesOf), measure?.time?.(then.settings, bytesThen));
  // What the measure accounts for says nothing where it could not be taken.
  const accounted = (names: readonly string[] | undefined, name: string) =>
    (scale !== undefined || !measure?.time) && names?.includes(name.split('.')[0]!) === true;
  const differs = settingsThatDiffer(kind, then.settings, settings).filter(
    (path) => !accounted(measure?.settings, path),
  );
  for (const input of Object.keys(inputs)) {
    if (accounted(measure?.inputs, input)) continue;
    const [now, before] = [bytesOf(input), bytesThen(input)];
    if (now === undefined || before === undefined) continue;
    if (Math.max(now, before) > alike * Math.min(now, before)) differs.push(`input ${input}`);
  }
  if (then.cpus !== resources.cpus) differs.push('resources.cpus');
  const distance = differs.length + Math.min(0.9, Math.abs(Math.log10(scale ?? 1)));
  return { result, scale: scale ?? 1, differs, distance };
}

function settingsThatDiffer(kind: string, was: JsonObject, now: JsonObject): string[] {
  const parts = { kind, code: '' as never, codeParts: {}, inputs: {}, seed: null, cpus: 1 };
  const found = differences({ ...parts, settings: was }, { ...parts, settings: now });
  return found.flatMap((reason) => (reason.kind === 'setting-changed' ? [reason.path] : []));
}

function ratio(now: Work | undefined, then: Work | undefined): number | undefined {
  if (!now || !then || now.of !== then.of || then.amount <= 0) return undefined;
  return now.amount / then.amount;
}
type Work = NonNullable<ReturnType<NonNullable<WorkMeasure['time']>>>;

/** undefined where one of them is not known. */
function sum(values: readonly (number | undefined)[]): number | undefined {
  return values.some((value) => value === undefined)
    ? undefined
    : (values as readonly number[]).reduce((total, value) => total + value, 0);
}

const bytesByOutput = ({ outputs }: StageResult): Record<string, number> =>
  Object.fromEntries(Object.entries(outputs).map(([name, { bytes }]) => [name, bytes]));
