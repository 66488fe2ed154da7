/** Decisions in words: one sentence a reason, for `plan`, `run -v` and `why`. */
import type { Experiment, InputSource, StageInstance } from '../experiment/experiment.js';
import type { Decision, Reason } from './plan.js';

/** One line a person can act on. A new kind without a sentence does not compile. */
export function say(reason: Reason): string {
  switch (reason.kind) {
    case 'never-ran':
      return 'no earlier result';
    case 'forced':
      return 'forced on the command line';
    case 'setting-changed':
      return `with.${reason.path}: ${change(reason.was, reason.now)}`;
    case 'input-changed':
      return inputChanged(reason);
    case 'code-changed':
      return codeChanged(reason);
    case 'seed-changed':
      return `seed: ${reason.was ?? 'none'} -> ${reason.now ?? 'none'}`;
    case 'cpus-changed':
      return `resources.cpus: ${reason.was} -> ${reason.now}`;
    case 'kind-changed':
      return `uses: ${reason.was} -> ${reason.now}`;
    case 'output-damaged':
      return reason.output === ''
        ? `the earlier result cannot be used: ${reason.detail}`
        : `output ${reason.output} of the earlier result cannot be used: ${reason.detail}`;
    case 'upstream-runs':
      return `depends on ${list(stagesInWords(reason.stages))}, which must run first`;
    case 'compared-with':
      return `no earlier result of its own; compared with ${reason.stage}`;
    default:
      return unreachable(reason);
  }
}

/**
 * The decision about one stage, a sentence a line: for a cached one, which run made it, when, how long, from what.
 * @param whereIs puts behind a reason where it can be seen and changed
 */
export function explain(
  decision: Decision,
  experiment: Experiment,
  whereIs?: (reason: Reason, instance: StageInstance) => string | undefined,
): string[] {
  const instance = experiment.stages.find(({ name }) => name === decision.stage);
  if (decision.act !== 'reuse')
    return [
      ...(decision.since === undefined ? [] : [`compared with its result of run ${decision.since}`]),
      ...decision.because.map((reason) => {
        const place = instance && whereIs?.(reason, instance);
        return place === undefined ? say(reason) : `${say(reason)} (${place})`;
      }),
    ];
  const { by, components, outputs } = decision.result;
  const attempt = by.attempt > 1 ? `, at attempt ${by.attempt}` : '';
  return [
    `made by run ${by.run}${by.stage === decision.stage ? '' : ` as ${by.stage}`} at ${localTime(by.at)} in ${duration(by.seconds)} on ${by.device}${attempt}`,
    ...Object.entries(components.inputs).map(([name, digests]) => {
      const sources = instance?.inputs[name];
      const from = digests.map((digest, index) => {
        const source = sources?.[index];
        return source ? `${sourceName(source)} (${digest.slice(0, 8)})` : digest.slice(0, 8);
      });
      return `${inputName(name)}: ${list(from)}`;
    }),
    ...Object.entries(outputs).map(
      ([name, { digest, files }]) =>
        `output ${name}: ${digest.slice(0, 8)}, ${files} ${files === 1 ? 'file' : 'files'}`,
    ),
  ];
}

const inputName = (name: string) =>
  name.startsWith('code:') ? `program ${name.slice('code:'.length)}` : `input ${name}`;

export const sourceName = (source: InputSource) =>
  source.from === 'path' ? source.path : `${source.stage}.${source.output}`;

function inputChanged({ input, was, now }: Extract<Reason, { kind: 'input-changed' }>): string {
  const name = inputName(input);
  if (was.length === 0) return `${name}: none -> ${list(now.map(short))}`;
  if (now.length === 0) return `${name}: ${list(was.map(short))} -> none`;
  if (was.length === 1 && now.length === 1) return `${name}: ${short(was[0]!)} -> ${short(now[0]!)}`;
  if (was.length !== now.length) return `${name}: ${was.length} artifacts -> ${now.length}`;
  const changed = now.filter((digest, index) => digest !== was[index]).length;
  const reordered = [...was].sort().join() === [...now].sort().join();
  return reordered
    ? `${name}: the order of its ${now.length} artifacts changed`
    : `${name}: ${changed} of ${now.length} artifacts changed`;
}

function codeChanged({ of, part, was, now }: Extract<Reason, { kind: 'code-changed' }>): string {
  if (part.startsWith('npm:')) {
    return `package ${part.slice('npm:'.length)} that ${of} uses: ${was ?? 'none'} -> ${now ?? 'none'}`;
  }
  if (part === '') return `code of ${of}: ${short(was ?? 'none')} -> ${short(now ?? 'none')}`;
  const what = was === undefined ? 'is new' : now === undefined ? 'is gone' : 'changed';
  return `code of ${of}: ${part} ${what}`;
}

const short = (digest: string) => digest.slice(0, 8);

const longest = 60;

/** Two settings as they are written in YAML's flow style, cut where they are long, and then so that what differs is seen. */
function change(was: unknown, now: unknown): string {
  const [before, after] = [written(was), written(now)];
  let same = 0;
  while (same < before.length && before[same] === after[same]) same += 1;
  // Some words of what stands before it, so that the place is known again.
  const from = same <= longest / 2 ? 0 : same - longest / 4;
  return `${cut(before, from)} -> ${cut(after, from)}`;
}

function written(setting: unknown): string {
  if (setting === undefined) return 'none';
  return typeof setting === 'string' ? setting : JSON.stringify(setting);
}

function cut(text: string, from: number): string {
  if (text.length <= longest) return text;
  const rest = from === 0 ? text : `...${text.slice(from)}`;
  return rest.length > longest ? `${rest.slice(0, longest - 3)}...` : rest;
}

/** Three points of a stage and more are one word: `samples@* (21)`. */
function stagesInWords(names: readonly string[]): string[] {
  const points = new Map<string, string[]>();
  for (const name of names) {
    const [stage] = name.split('@', 1) as [string];
    points.set(stage, [...(points.get(stage) ?? []), name]);
  }
  return [...points].flatMap(([stage, all]) => (all.length > 2 ? `${stage}@* (${all.length})` : all));
}

/** All of a few names, or the first ones of many. */
function list(names: readonly string[]): string {
  const shown = names.length > 6 ? [...names.slice(0, 5), `${names.length - 5} more`] : names;
  return shown.join(', ');
}

/** "2026-11-24 18:15:02", where the user is. */
export function localTime(iso: string): string {
  const then = new Date(iso);
  const shifted = new Date(then.getTime() - then.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 19).replace('T', ' ');
}

/** "3m12s", for people. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)}s`;
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  return hours > 0
    ? `${hours}h${String(minutes).padStart(2, '0')}m`
    : `${minutes}m${String(whole % 60).padStart(2, '0')}s`;
}

function unreachable(reason: never): never {
  throw new TypeError(`a reason without a sentence: ${JSON.stringify(reason)}`);
}
