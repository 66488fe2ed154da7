/**
 * The schema of experiment files with the settings of every kind in it: what editors complete from
 * (`cemiflow schema experiment`). schemas/experiment.schema.json is this, made from the registry's kinds.
 */
import { schema } from '../../schemas/generated/experiment.js';
import type { StageDeclaration } from '../../stages/contract.js';
import type { StageRegistry } from './registry-type.js';

type Schema = Record<string, unknown>;

const expression = { $ref: '#/$defs/expression' };

/** Draft 2020-12. `with` and `inputs` depend on `uses`; every value may be an expression. */
export function editorSchema(registry: StageRegistry): Schema {
  const copy = structuredClone(schema) as Schema & { $defs: Record<string, Schema> };
  const declarations = registry
    .kinds()
    .sort()
    .map((kind) => registry.get(kind)!);
  const { stage } = copy.$defs;
  const properties = stage!['properties'] as Record<string, Schema>;
  properties['uses'] = {
    ...properties['uses'],
    anyOf: [{ enum: declarations.map(({ kind }) => kind) }, { type: 'string', pattern: '^\\.{0,2}/' }],
  };
  stage!['allOf'] = declarations.map((declaration) => ({
    if: { properties: { uses: { const: declaration.kind } }, required: ['uses'] },
    then: { properties: { with: settingsOf(declaration), inputs: inputsOf(declaration) } },
  }));
  return copy;
}

function settingsOf(declaration: StageDeclaration): Schema {
  const { $schema: _, $id: __, title: ___, ...settings } = declaration.schema;
  return { description: declaration.summary, anyOf: [orExpression(settings), expression] };
}

/** The same schema, where each value that is no map may also be text with an expression in it. */
function orExpression(schema: Schema): Schema {
  const { description, default: standard, properties, items, ...rest } = schema;
  const heads = {
    ...(description === undefined ? {} : { description }),
    ...(standard === undefined ? {} : { default: standard }),
  };
  const inner = {
    ...rest,
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties as Record<string, Schema>).map(([key, value]) => [
              key,
              value['type'] === 'string' && !('enum' in value) ? value : wrapped(value),
            ]),
          ),
        }),
    ...(items === undefined || typeof items !== 'object'
      ? items === undefined
        ? {}
        : { items }
      : { items: wrapped(items as Schema) }),
  };
  return { ...heads, ...inner };
}

function wrapped(value: Schema): Schema {
  const { description, default: standard, ...inner } = orExpression(value);
  return {
    ...(description === undefined ? {} : { description }),
    ...(standard === undefined ? {} : { default: standard }),
    anyOf: [inner, expression],
  };
}

function inputsOf(declaration: StageDeclaration): Schema {
  if (Object.hasOwn(declaration.inputs, '*')) return {};
  const inputs = Object.entries(declaration.inputs);
  return {
    properties: Object.fromEntries(
      inputs.map(([name, { types, description, many }]) => [
        name,
        {
          description: `${types === 'any' ? 'any artifact' : types.join(' or ')}${many ? ', one or several' : ''}. ${description}`,
        },
      ]),
    ),
    required: inputs.filter(([, { optional }]) => !optional).map(([name]) => name),
    additionalProperties: false,
  };
}
