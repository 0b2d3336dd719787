import { ANY_NAME, ELEMENTS, segmentName, segmentsOf } from '../core/field-path.ts';
import type { CollectionSchema, FieldSchema } from './collection-schema.ts';

/** `mongodb`: for `$jsonSchema` of a validator, with `bsonType`. `2020-12`: of the documents as relaxed Extended JSON. */
export type JsonSchemaDialect = 'mongodb' | '2020-12';

/** The names of the dialects, the default first. */
export const JSON_SCHEMA_DIALECTS: readonly JsonSchemaDialect[] = ['mongodb', '2020-12'];

type Json = Readonly<Record<string, unknown>>;

/** A field with what is below it. */
interface FieldNode {
  field: FieldSchema | undefined;
  /** Types that are accepted. */
  types: readonly string[];
  readonly children: Map<string, FieldNode>;
}

/**
 * The schema of a collection as JSON Schema, made of what was seen: types that wait to be accepted are left out, fields
 * that were in every document are required (inside arrays that is not known), other fields are not forbidden.
 */
export function jsonSchemaOf(schema: CollectionSchema, dialect: JsonSchemaDialect): Json {
  const root = treeOf(schema);
  const body = objectSchema(root, schema.documents, dialect);
  if (dialect === 'mongodb') return { bsonType: 'object', ...body };
  const head = { $schema: 'https://json-schema.org/draft/2020-12/schema', title: schema.collection };
  return { ...head, type: 'object', ...body };
}

function treeOf({ fields }: CollectionSchema): FieldNode {
  const root: FieldNode = { field: undefined, types: [], children: new Map() };
  for (const field of fields) {
    const types = field.types.filter(({ pending }) => !pending).map(({ type }) => type);
    if (types.length === 0) continue;
    let node = root;
    for (const segment of segmentsOf(field.path)) {
      const child = node.children.get(segment) ?? { field: undefined, types: [], children: new Map() };
      node.children.set(segment, child);
      node = child;
    }
    node.field = field;
    node.types = types;
  }
  return root;
}

/** `documents` is how many objects there were of this kind; undefined when that is not known. */
function objectSchema(node: FieldNode, documents: number | undefined, dialect: JsonSchemaDialect): Json {
  const named = [...node.children].filter(([segment]) => segment !== ANY_NAME && segment !== ELEMENTS);
  const any = node.children.get(ANY_NAME);
  const inArray = documents === undefined;
  const required = named.filter(([, child]) => !inArray && documents > 0 && child.field?.seen === documents);
  return {
    ...(required.length === 0 ? {} : { required: required.map(([segment]) => segmentName(segment)) }),
    ...(named.length === 0 ? {} : { properties: propertiesOf(named, inArray, dialect) }),
    ...(any === undefined ? {} : { additionalProperties: valueSchema(any, true, dialect) }),
  };
}

/** Names may be anything, `__proto__` too. */
function propertiesOf(
  children: readonly (readonly [segment: string, child: FieldNode])[],
  inArray: boolean,
  dialect: JsonSchemaDialect,
): Json {
  const entries = children.map(
    ([segment, child]) => [segmentName(segment), valueSchema(child, inArray, dialect)] as const,
  );
  return Object.fromEntries(entries);
}

function valueSchema(node: FieldNode, inArray: boolean, dialect: JsonSchemaDialect): Json {
  const isObject = node.types.includes('object') || (node.types.length === 0 && !node.children.has(ELEMENTS));
  const elements = node.children.get(ELEMENTS);
  const objects = node.field?.types.find(({ type }) => type === 'object')?.seen;
  const details = {
    ...(isObject ? objectSchema(node, inArray ? undefined : objects, dialect) : {}),
    ...(elements === undefined ? {} : { items: valueSchema(elements, true, dialect) }),
  };
  if (dialect === 'mongodb') {
    if (node.types.length === 0) return details;
    return { bsonType: node.types.length === 1 ? node.types[0] : node.types, ...details };
  }
  return extendedJsonSchema(node.types, details);
}

/** How values of the BSON types look in relaxed Extended JSON. */
function extendedJsonSchema(types: readonly string[], details: Json): Json {
  const plain = new Set(types.flatMap((type) => PLAIN[type] ?? []));
  const wrappers = types.flatMap((type) => WRAPPERS[type] ?? []).map(wrapper);
  // A wrapper is an object of its own, so what is said about embedded documents does not hold for it.
  const rest = plain.size === 0 ? [] : [{ ...typeOf([...plain]), ...details }];
  const forms: readonly Json[] = [...rest, ...wrappers];
  const [only, second] = forms;
  if (only === undefined) return details;
  return second === undefined ? only : { anyOf: forms };
}

function typeOf(types: readonly string[]): Json {
  return { type: types.length === 1 ? types[0] : types };
}

function wrapper(names: readonly string[]): Json {
  return { type: 'object', required: names, properties: Object.fromEntries(names.map((name) => [name, {}])) };
}

const PLAIN: Readonly<Record<string, string>> = {
  double: 'number',
  string: 'string',
  object: 'object',
  array: 'array',
  bool: 'boolean',
  null: 'null',
  int: 'integer',
  long: 'integer',
};

const WRAPPERS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  binData: [['$binary']],
  undefined: [['$undefined']],
  objectId: [['$oid']],
  date: [['$date']],
  regex: [['$regularExpression']],
  dbPointer: [['$dbPointer']],
  javascript: [['$code']],
  symbol: [['$symbol']],
  javascriptWithScope: [['$code', '$scope']],
  timestamp: [['$timestamp']],
  decimal: [['$numberDecimal']],
  minKey: [['$minKey']],
  maxKey: [['$maxKey']],
};
