import type { LearnedCollection } from '../../../core/learned-fields.ts';
import type { SearchProduct } from '../product.ts';
import { addLearned, emptyNode, type FieldNode, joined, type MappingProblem, note } from './field-tree.ts';
import { fieldOfTypes, VALUELESS } from './field-types.ts';
import { type FieldMapping, fieldAt, isFlatField, isObjectField, NOT_INDEXED, type Properties } from './properties.ts';
import { addValidator } from './validator-fields.ts';

/** Levels of objects that the products map when nothing else is set, the document itself included. */
export const DEPTH_LIMIT = 20;

/** Of what a mapping is made. Each may be absent. */
export interface MappingSources {
  /** `properties` that somebody wrote: they win over everything, field by field. */
  readonly user?: Properties | undefined;
  /** `properties` of the index whose documents come here: they win over what is derived. */
  readonly inherited?: Properties | undefined;
  /** `$jsonSchema` of the collection. Where the documents show more types for a field, these count, too. */
  readonly validator?: unknown;
  readonly learned?: LearnedCollection | undefined;
}

/** How it is made. */
export interface MappingOptions {
  /** The field for objects whose names are data; see `mapField`. */
  readonly mapField: FieldMapping;
  /** Most levels of objects. Default: 20. */
  readonly depthLimit?: number | undefined;
}

/** A mapping, with the user's fields first, then those of the validator, then the learned ones. */
export interface WantedMapping {
  readonly properties: Properties;
  /** True when new names at the top of a document must not become fields. */
  readonly closed: boolean;
  readonly problems: readonly MappingProblem[];
}

/**
 * The field in which a product takes objects whose names are data, without a field for each name: `flattened` for
 * Elasticsearch from 7.3 (except the distribution without X-Pack, which refuses it), `flat_object` for OpenSearch from 2.7, else
 * an object that is kept and cannot be searched. OpenSearch refuses documents with a text of over 32,766 bytes
 * in a `flat_object`, and has no option against it.
 */
export function mapField({ name, major, minor }: Pick<SearchProduct, 'name' | 'major' | 'minor'>): FieldMapping {
  if (name === 'elasticsearch' && (major > 7 || (major === 7 && minor >= 3))) {
    // Without them a longer text or a deeper object is refused. Names and values are one term of at most 32,766 bytes.
    return { type: 'flattened', ignore_above: 4096, depth_limit: 200 };
  }
  if (name === 'opensearch' && (major > 2 || (major === 2 && minor >= 7))) return { type: 'flat_object' };
  return NOT_INDEXED;
}

/** The mapping of documents of which this is known. Pure: the same for the same sources. */
export function mappingFor(
  { user, inherited = {}, validator, learned }: MappingSources,
  options: MappingOptions,
): WantedMapping {
  const problems = new Map<string, MappingProblem>();
  const root = emptyNode();
  if (validator !== undefined) addValidator(root, validator, problems);
  if (learned !== undefined) addLearned(root, learned, problems);
  const maker = new MappingMaker(options, problems);
  const derived = maker.fieldsOf(root, '', 1);
  const properties = merged(expandDots(user ?? {}), merged(inherited, derived.properties));
  // What the user has settled is no problem any more.
  const open = [...problems.values()].filter(({ path }) => !isSettled(path, user));
  return { properties, closed: derived.closed, problems: open };
}

interface Fields {
  readonly properties: Properties;
  /** True when names that are not in it must not be mapped by the product itself. */
  readonly closed: boolean;
}

class MappingMaker {
  readonly #mapField: FieldMapping;
  readonly #depthLimit: number;
  readonly #problems: Map<string, MappingProblem>;

  constructor({ mapField: field, depthLimit = DEPTH_LIMIT }: MappingOptions, problems: Map<string, MappingProblem>) {
    this.#mapField = field;
    this.#depthLimit = depthLimit;
    this.#problems = problems;
  }

  /** `level` counts the objects down to this one, itself included. */
  fieldsOf(node: FieldNode, path: string, level: number): Fields {
    let closed = node.isMap;
    const fields: [string, FieldMapping][] = [];
    for (const [name, child] of node.children) {
      const at = joined(path, name);
      const field = this.#field(child, at, level + 1);
      if (field === 'too-deep') {
        note(this.#problems, 'depth', at);
        closed = true;
      } else if (field !== undefined) {
        fields.push([name, field]);
      }
    }
    return { properties: Object.fromEntries(fields), closed };
  }

  #field(node: FieldNode, path: string, level: number): FieldMapping | 'too-deep' | undefined {
    const isObject = node.types.has('object') || node.children.size > 0 || node.isMap;
    if (!isObject) return fieldOfTypes(node.types);
    if ([...node.types].some((type) => !VALUELESS.has(type))) {
      note(this.#problems, 'mixed', path);
      return level > this.#depthLimit ? 'too-deep' : NOT_INDEXED;
    }
    const isFlat = node.isMap && node.children.size === 0 && isFlatField(this.#mapField);
    if (isFlat) return this.#mapField;
    if (level > this.#depthLimit) return 'too-deep';
    if (node.isMap && node.children.size === 0) return this.#mapField;
    const { properties, closed } = this.fieldsOf(node, path, level);
    return { type: 'object', ...(closed ? { dynamic: false } : {}), properties };
  }
}

/** The fields of `first`, and below those that are objects what `second` has besides. */
function merged(first: Properties, second: Properties): Properties {
  const fields = new Map<string, FieldMapping>();
  for (const [name, field] of Object.entries(first)) {
    const other = fieldAt(second, name);
    const below = other !== undefined && isObjectField(field) && isObjectField(other);
    fields.set(name, below ? { ...field, properties: merged(field.properties ?? {}, other.properties ?? {}) } : field);
  }
  for (const [name, field] of Object.entries(second)) if (!fields.has(name)) fields.set(name, field);
  return Object.fromEntries(fields);
}

/** `a.b` as `b` in `a`, which is how the products take it. */
function expandDots(properties: Properties): Properties {
  let expanded: Properties = {};
  for (const [name, field] of Object.entries(properties)) {
    const inner = field.properties === undefined ? field : { ...field, properties: expandDots(field.properties) };
    const [first = name, ...rest] = name.split('.').toReversed();
    const one = rest.reduce<Properties>((below, part) => single(part, { properties: below }), single(first, inner));
    expanded = merged(expanded, one);
  }
  return expanded;
}

function single(name: string, field: FieldMapping): Properties {
  return Object.fromEntries([[name, field]]);
}

/** True when the path, or one above it, is a field that the user wrote and that is not looked into. */
function isSettled(path: string, user: Properties | undefined): boolean {
  let properties = user === undefined ? undefined : expandDots(user);
  for (const part of path.split('.')) {
    const field = fieldAt(properties, part);
    if (field === undefined) return false;
    if (!isObjectField(field)) return true;
    properties = field.properties;
  }
  return false;
}
