/** The schemas of what --json prints, as validators. */
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';

/** @param definition one of the file's $defs, where it has several documents */
export function schemaOf(name: string, definition?: string) {
  const ajv = new Ajv2020({ allowUnionTypes: true, formats: { 'date-time': /^\d{4}-\d\d-\d\dT[\d:.]+Z$/ } });
  const file = new URL(`../../../schemas/${name}.schema.json`, import.meta.url);
  const schema = { $id: name, ...(JSON.parse(readFileSync(file, 'utf8')) as object) };
  if (definition === undefined) return ajv.compile(schema);
  return ajv.addSchema(schema).compile({ $ref: `${name}#/$defs/${definition}` });
}
