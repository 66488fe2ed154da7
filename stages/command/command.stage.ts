/** Any program as a stage. The engine spawns it directly (engine/run/command-attempt.ts): there is no code of ours to load. */
import { type CommandSettings, schema } from '../../schemas/generated/stages/command.js';
import type { OutputDeclaration, StageDeclaration } from '../contract.js';

export const stage: StageDeclaration<CommandSettings> = {
  kind: 'command',
  summary: 'runs any program; its inputs and outputs are folders it is told of',
  schema,
  inputs: { '*': { types: 'any', many: true, description: 'whatever the program reads, by any name' } },
  outputs: (settings) =>
    Object.fromEntries(
      Object.entries(settings.outputs ?? {}).map(([name, type]): [string, OutputDeclaration] => [
        name,
        { type, description: `what the program writes into \${{ outputs.${name} }}` },
      ]),
    ),
  // The program gets it as CEMIFLOW_SEED; replicas over seeds must be runs of their own.
  seeded: true,
  device: false,
  load: () => Promise.reject(new TypeError('a command stage is spawned by the engine, not loaded')),
};
