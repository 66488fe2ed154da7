/** A JSON Schema of settings as rows to read: name, what it takes, default, description. Pure. */

export interface SettingRow {
  /** `network.widths` for a setting within a setting. */
  name: string;
  type: string;
  /** JSON; '' where absent means absent; undefined where the setting must be given. */
  fallback: string | undefined;
  description: string;
}

interface Schema {
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: Schema | boolean;
  anyOf?: Schema[];
  oneOf?: Schema[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  $ref?: string;
  $defs?: Record<string, Schema>;
}

export function settingRows(schema: Record<string, unknown>): SettingRow[] {
  return rows(schema as Schema, '', schema as Schema);
}

function rows(schema: Schema, prefix: string, root: Schema): SettingRow[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, found]) => {
    const setting = resolved(found, root);
    const required = schema.required?.includes(name) === true && setting.default === undefined;
    const fallback = setting.default === undefined ? '' : JSON.stringify(setting.default);
    const row: SettingRow = {
      name: `${prefix}${name}`,
      type: typeWords(setting, root),
      fallback: required ? undefined : fallback,
      description: found.description ?? setting.description ?? '',
    };
    return [row, ...rows(setting, `${prefix}${name}.`, root)];
  });
}

function resolved(schema: Schema, root: Schema): Schema {
  const name = /^#\/\$defs\/(.+)$/.exec(schema.$ref ?? '')?.[1];
  return name === undefined ? schema : { ...root.$defs?.[name], ...schema };
}

/** "number in [-1, 1]", "one of cemiface, dcface", "list of integer". */
function typeWords(found: Schema, root: Schema): string {
  const schema = resolved(found, root);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.map((choice) => typeWords(choice, root)).join(', or ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return `one of ${schema.enum.map(String).join(', ')}`;
  const type = [schema.type ?? 'anything'].flat().join(' or ');
  if (type === 'array') return `list of ${typeWords(schema.items ?? {}, root)}`;
  if (type === 'object' && typeof schema.additionalProperties === 'object')
    return `map of name to ${typeWords(schema.additionalProperties, root)}`;
  return `${type}${bounds(schema)}`;
}

function bounds({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Schema): string {
  const low =
    minimum !== undefined
      ? `[${minimum}`
      : exclusiveMinimum !== undefined
        ? `(${exclusiveMinimum}`
        : undefined;
  const high =
    maximum !== undefined
      ? `${maximum}]`
      : exclusiveMaximum !== undefined
        ? `${exclusiveMaximum})`
        : undefined;
  if (low !== undefined && high !== undefined) return ` in ${low}, ${high}`;
  if (low !== undefined) return minimum !== undefined ? ` >= ${minimum}` : ` > ${exclusiveMinimum}`;
  if (high !== undefined) return maximum !== undefined ? ` <= ${maximum}` : ` < ${exclusiveMaximum}`;
  return '';
}
