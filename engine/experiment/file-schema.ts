/**
 * The schemas that a composed file is checked against, made from schemas/experiment.schema.json: the file, a stage, a profile.
 * The build makes a checker of each (schemas/generated/validators.ts), so that none is made at start.
 */
import { schema } from '../../schemas/generated/experiment.js';

type Schema = Record<string, unknown>;

interface FileSchema {
  properties: Record<string, Record<string, unknown>>;
  $defs: Record<string, Record<string, unknown>>;
}

const plain = strict(schema) as FileSchema;

/** Of all but stages and profiles, which are checked one by one. */
export const fileSchema: Schema = withoutParts(plain);
/** Of one stage without what the list of kinds says: the kind's own schema checks its settings, and kinds.ts its name. */
export const stageSchema: Schema = ofOneStage(plain);
/** Of a profile, whose values may be expressions. */
export const profileSchema: Schema = { $ref: '#/$defs/profile', $defs: schema['$defs'] };

function withoutParts(plain: FileSchema): Record<string, unknown> {
  const { additionalProperties: _, ...stages } = plain.properties['stages']!;
  const properties = { ...plain.properties, stages, profiles: { type: ['object', 'null'] } };
  return { ...plain, properties };
}

function ofOneStage(plain: FileSchema): Record<string, unknown> {
  const { allOf: _, ...stage } = plain.$defs['stage']! as {
    allOf?: unknown;
    properties: Record<string, object>;
  };
  const { anyOf: __, ...uses } = stage.properties['uses'] as { anyOf?: unknown };
  return { ...stage, properties: { ...stage.properties, uses }, $defs: plain.$defs };
}

/** The schema of a file whose expressions are computed: the alternative "or an expression" is gone. */
function strict(at: unknown): unknown {
  if (Array.isArray(at)) return at.map(strict);
  if (typeof at !== 'object' || at === null) return at;
  const { anyOf, ...rest } = at as Record<string, unknown>;
  const plain = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, strict(value)]));
  if (!Array.isArray(anyOf)) return plain;
  const forms = anyOf
    .filter((form: Record<string, unknown>) => form['$ref'] !== '#/$defs/expression')
    .map(strict);
  return forms.length === 1 ? { ...(forms[0] as object), ...plain } : { ...plain, anyOf: forms };
}
