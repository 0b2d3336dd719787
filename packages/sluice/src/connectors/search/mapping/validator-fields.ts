import { addType, type FieldNode, joined, type MappingProblem, namedNode } from './field-tree.ts';

/** `$jsonSchema` as JavaScript has it, or a part of one. */
type Schema = Readonly<Record<string, unknown>>;

const NUMBER = ['int', 'long', 'double', 'decimal'];
/** Names of `type` that `bsonType` has another word for. */
const JSON_TYPES: ReadonlyMap<string, readonly string[]> = new Map([
  ['boolean', ['bool']],
  ['number', NUMBER],
]);
/** What any of these allow, the field may have. */
const ALTERNATIVES = ['anyOf', 'oneOf', 'allOf'];
/** Nobody writes deeper schemas, and the products take no more levels. */
const DEEPEST = 100;

/** Adds what a `$jsonSchema` says of the fields, whatever it says besides. Parts that are no schema are left out. */
export function addValidator(root: FieldNode, schema: unknown, problems: Map<string, MappingProblem>): void {
  addSchema(root, schema, '', problems, 0);
}

function addSchema(
  node: FieldNode,
  schema: unknown,
  path: string,
  problems: Map<string, MappingProblem>,
  depth: number,
): void {
  if (!isSchema(schema) || depth > DEEPEST) return;
  for (const type of typesOf(schema)) addType(node, type);
  const { properties, items, additionalItems, additionalProperties, patternProperties } = schema;
  for (const [name, child] of Object.entries(isSchema(properties) ? properties : {})) {
    const below = namedNode(node, path, name, problems);
    if (below === undefined) continue;
    node.types.add('object');
    addSchema(below, child, joined(path, name), problems, depth + 1);
  }
  for (const element of [items, additionalItems].flat()) addSchema(node, element, path, problems, depth + 1);
  for (const key of ALTERNATIVES) {
    const parts = schema[key];
    if (Array.isArray(parts)) for (const part of parts) addSchema(node, part, path, problems, depth + 1);
  }
  // What is not named there does not make a map of a document that has names of its own.
  const hasNames = isSchema(properties) && Object.keys(properties).length > 0;
  if (isSchema(patternProperties) || (isSchema(additionalProperties) && !hasNames)) {
    node.types.add('object');
    node.isMap = true;
  }
}

function typesOf({ bsonType, type, enum: values }: Schema): readonly string[] {
  const named = [bsonType, type].flat().filter((name): name is string => typeof name === 'string');
  const types = named.flatMap((name) => JSON_TYPES.get(name) ?? [name]);
  return types.length > 0 || !Array.isArray(values) ? types : values.flatMap(typesOfConstant);
}

function typesOfConstant(value: unknown): readonly string[] {
  switch (typeof value) {
    case 'string':
      return ['string'];
    case 'boolean':
      return ['bool'];
    case 'number':
      return [Number.isInteger(value) ? 'long' : 'double'];
    default:
      return [];
  }
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The `$jsonSchema` of a validator, which may be one of several conditions; undefined when there is none. */
export function jsonSchemaIn(validator: unknown): unknown {
  if (!isSchema(validator)) return undefined;
  const { $jsonSchema: schema, $and: conditions } = validator;
  if (isSchema(schema)) return schema;
  if (!Array.isArray(conditions)) return undefined;
  const schemas = conditions.map(jsonSchemaIn).filter((found) => found !== undefined);
  return schemas.length === 0 ? undefined : { allOf: schemas };
}
