import { joined } from './field-tree.ts';
import { type FieldMapping, fieldAt, isObjectField, type Properties } from './properties.ts';

/** A mapping as far as its fields are counted. */
export interface CountedMapping {
  readonly properties?: Properties;
  /** Of Elasticsearch. */
  readonly runtime?: Readonly<Record<string, unknown>>;
}

/** A part of a mapping with many names directly in it. */
export interface CrowdedObject {
  /** Empty for the document itself. */
  readonly path: string;
  readonly names: number;
}

/**
 * How many fields of `index.mapping.total_fields.limit` a mapping uses, as the products count: every field, object, alias
 * and runtime field, and every further field that one is indexed as (`keyword` of a text, the hidden ones of `index_prefixes` and
 * `index_phrases`). Seen on OpenSearch 2.19 and Elasticsearch 7.10.
 */
export function fieldUsage({ properties = {}, runtime = {} }: CountedMapping): number {
  let used = Object.keys(runtime).length;
  for (const field of Object.values(properties))
    used += usageOf(field) + fieldUsage({ properties: field.properties ?? {} });
  return used;
}

/** Without what is below. */
function usageOf({ fields, index_prefixes: prefixes, index_phrases: phrases }: FieldMapping): number {
  const further = Object.values(fields ?? {}).reduce((sum, field) => sum + usageOf(field), 0);
  return 1 + further + (prefixes === undefined ? 0 : 1) + (phrases === true ? 1 : 0);
}

/** The objects with the most names directly in them, the worst first. */
export function crowdedObjects({ properties = {} }: CountedMapping, count: number): readonly CrowdedObject[] {
  const objects = [...objectsOf(properties, '')];
  return objects.toSorted((a, b) => b.names - a.names).slice(0, count);
}

function* objectsOf(properties: Properties, path: string): Generator<CrowdedObject> {
  yield { path, names: Object.keys(properties).length };
  for (const [name, field] of Object.entries(properties)) {
    if (field.properties !== undefined) yield* objectsOf(field.properties, joined(path, name));
  }
}

/** What of an addition fits. */
export interface Fitting {
  readonly kept: Properties;
  /** How many more of the limit it uses. */
  readonly used: number;
  /** Fields that are left out. */
  readonly left: number;
}

/** The first fields of `added` that fit into `room`; objects that `existing` has count only for what they get. */
export function fitInto(added: Properties, existing: Properties | undefined, room: number): Fitting {
  const kept: [string, FieldMapping][] = [];
  let used = 0;
  let left = 0;
  for (const [name, field] of Object.entries(added)) {
    const old = fieldAt(existing, name);
    const own = old === undefined ? usageOf(field) : 0;
    if (used + own > room) {
      left += own + fieldUsage({ properties: field.properties ?? {} });
      continue;
    }
    used += own;
    if (field.properties === undefined || !isObjectField(field)) {
      kept.push([name, field]);
      continue;
    }
    const below = fitInto(field.properties, old?.properties, room - used);
    used += below.used;
    left += below.left;
    // An object that is there and gets nothing need not be said.
    if (old !== undefined && field.dynamic === undefined && Object.keys(below.kept).length === 0) continue;
    kept.push([name, { ...field, properties: below.kept }]);
  }
  return { kept: Object.fromEntries(kept), used, left };
}
