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
    anyOf: [
      {
        title: 'a kind of stage',
        enum: declarations.map(({ kind }) => kind),
        enumDescriptions: declarations.map(({ summary }) => summary),
      },
      { title: "a module of one's own", type: 'string', pattern: '^\\.{0,2}/' },
    ],
  };
  stage!['allOf'] = declarations.map((declaration) => ({
    if: { properties: { uses: { const: declaration.kind } }, required: ['uses'] },
    then: { properties: { with: settingsOf(declaration), inputs: inputsOf(declaration) } },
  }));
  return copy;
}

function settingsOf(declaration: StageDeclaration): Schema {
  const { $schema: _, $id: __, title: ___, ...settings } = declaration.schema;
  return orExpression(
    { ...withExpressions(settings, declaration.kind), description: declaration.summary },
    `settings of ${declaration.kind}`,
  );
}

/** The schema's own values may be expressions, and say in their description what holds where they are not given. */
function withExpressions(schema: Schema, kind: string): Schema {
  const { properties, items, ...rest } = schema;
  return {
    ...rest,
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties as Record<string, Schema>).map(([name, value]) => [
              name,
              orExpression(described(withExpressions(value, kind)), `${name} of ${kind}`),
            ]),
          ),
        }),
    ...(typeof items === 'object' && items !== null
      ? { items: orExpression(withExpressions(items as Schema, kind), `an item for ${kind}`) }
      : items === undefined
        ? {}
        : { items }),
  };
}

/** Editors show the description on hover, and the default nowhere. */
function described(schema: Schema): Schema {
  const { description, default: standard } = schema;
  if (standard === undefined || typeof description !== 'string') return schema;
  return { ...schema, description: `${description}\n\nDefault: ${JSON.stringify(standard)}` };
}

const pattern = '\\$\\{\\{';

/**
 * The schema, or text with an expression in it. Where type words can say so they do: editors take the alternatives of an
 * anyOf for equals, and show the expression's title and words beside each setting's.
 */
function orExpression(schema: Schema, title: string): Schema {
  const { type } = schema;
  const types = [type].flat();
  // A map's title is what editors call the offer to write all its required keys at once.
  if (
    type === undefined ||
    types.includes('object') ||
    'enum' in schema ||
    'anyOf' in schema ||
    'oneOf' in schema
  ) {
    const { description, default: standard, ...inner } = schema;
    return {
      ...(description === undefined ? {} : { description }),
      ...(standard === undefined ? {} : { default: standard }),
      anyOf: [{ title, ...inner }, expression],
    };
  }
  if (!types.includes('string'))
    return {
      title,
      ...schema,
      type: [...types, 'string'],
      pattern,
      patternErrorMessage: `This must be ${types.join(' or ')}, or an expression: \${{ ... }}`,
    };
  // Plain text may be an expression anyway.
  if (schema['pattern'] === undefined) return { title, ...schema };
  return { title, ...schema, pattern: `${String(schema['pattern'])}|${pattern}` };
}

function inputsOf(declaration: StageDeclaration): Schema {
  if (Object.hasOwn(declaration.inputs, '*')) return {};
  const inputs = Object.entries(declaration.inputs);
  return {
    title: `inputs of ${declaration.kind}`,
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
