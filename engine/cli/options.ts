/** The options that several verbs take, so that they are spelled and checked once. */
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { deviceNames } from '../../stages/contract.js';
import type { LoadOptions } from '../experiment/experiment.js';
import { credentialsIn } from '../credentials.js';
import { defaultRunsDir } from './invocation.js';
import { UsageError } from './trouble.js';

/** What every verb knows. */
export interface CommonOptions {
  quiet?: true;
  verbose?: true;
  json?: true;
  /** False with --no-color. */
  color: boolean;
  runsDir?: string;
  /** -C */
  directory?: string;
}

export interface ExperimentOptions {
  set: string[];
  profile: string[];
  seed?: number;
}

const several = (value: string, before: string[] = []) => [...before, value];

export function integer(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('It is no whole number.');
  return value;
}

export function positive(text: string): number {
  const value = integer(text);
  if (value < 1) throw new InvalidArgumentError('It must be at least 1.');
  return value;
}

/** As the file's timeouts: a number of seconds, or text such as 90s, 30m, 2h. */
export function seconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(s|m|h)?$/.exec(text);
  if (!match) throw new InvalidArgumentError('It is no time such as 20, 90s, 30m.');
  return Number(match[1]) * { s: 1, m: 60, h: 3600 }[match[2] ?? 's']!;
}

export const commonNames = ['quiet', 'verbose', 'color', 'runsDir', 'directory'] as const;

/** Before the verb as after it: `cemiflow -C x run` as git has it, `cemiflow run -C x` as one adds it later. */
export function addCommon(command: Command): Command {
  return command
    .option('-q, --quiet', 'say only what is wrong, and the result')
    .option('-v, --verbose', 'say more: reasons, and the lines that stages log')
    .option('--no-color', 'no colours (also: NO_COLOR in the environment)')
    .option('--runs-dir <folder>', 'where runs and the cache of results are (default: runs/)')
    .option('-C, --directory <folder>', 'do as if started in that folder');
}

export const jsonOption = (): Option => new Option('--json', 'print one JSON object on stdout');

export function addExperiment(command: Command): Command {
  return command
    .option('--set <path=value>', 'override a value of the file, e.g. params.identities=50', several, [])
    .option('--profile <name>', 'apply a profile of the file; may be given again', several, [])
    .option('--seed <number>', 'the same as --set seed=<number>', integer);
}

/** Not commander's own error, which repeats what was given. */
export const serverAddress =
  (option: string) =>
  (text: string): string => {
    if (/^https?:\/\/./.test(text) && credentialsIn(text) === undefined) return text;
    throw new UsageError(
      `${option} takes the address of a server, without name, password or token`,
      'For instance http://127.0.0.1:5000; secrets go into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.',
    );
  };

export interface ServerOptions {
  /** `mlflow`, or an address. */
  from?: string;
  experiment?: string;
}

export function addServer(command: Command): Command {
  const address = serverAddress('--from');
  return command
    .option(
      '--from <server>',
      "read runs from an MLflow server instead of the journals here: its address, or 'mlflow' for MLFLOW_TRACKING_URI",
      (text: string) => (text === 'mlflow' ? text : address(text)),
    )
    .option('--experiment <name>', 'only runs of that experiment of the server');
}

/** @throws UsageError where a server's experiment is named and no server */
export function readsServer({ from, experiment }: ServerOptions): boolean {
  if (from === undefined && experiment !== undefined)
    throw new UsageError('--experiment names one of a server', 'Add --from mlflow.');
  return from !== undefined;
}

export interface SelectOptions {
  force: string[];
  until?: string;
  only?: string;
}

export function addSelection(command: Command): Command {
  return command
    .option('-f, --force <stage>', 'run it although there is a result; may be given again', several, [])
    .option('--until <stage>', 'only that stage and what it depends on')
    .addOption(
      new Option('--only <stage>', 'only that stage; what it depends on must be cached').conflicts('until'),
    );
}

export const deviceOption = (): Option =>
  new Option('--device <name>', 'what to compute on').choices(['auto', ...deviceNames]).default('auto');

export const runsDirOf = ({ runsDir }: CommonOptions): string =>
  runsDir === undefined ? defaultRunsDir(process.cwd()) : resolve(runsDir);

export function loadOptionsOf({ set, profile, seed }: ExperimentOptions): LoadOptions {
  return { set, profiles: profile, ...(seed === undefined ? {} : { seed }) };
}
