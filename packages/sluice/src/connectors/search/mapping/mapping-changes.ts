import { joined } from './field-tree.ts';
import {
  type FieldMapping,
  fieldAt,
  isClosed,
  isFlatField,
  isObjectField,
  NOT_INDEXED,
  type Properties,
} from './properties.ts';

/** A field of an index that cannot become what is wanted. */
export interface MappingConflict {
  readonly path: string;
  /** Types in the index and wanted. */
  readonly has: string;
  readonly wanted: string;
  /** `refused`: the product may refuse documents with what is new. `imprecise`: it takes them and finds less. */
  readonly effect: 'refused' | 'imprecise';
}

/** How to get from the mapping of an index to another one. */
export interface MappingChanges {
  /** To be put; fields that the index has do not change, except that an object may be closed (`dynamic: false`). */
  readonly added: Properties;
  readonly conflicts: readonly MappingConflict[];
}

/** Types that take every value that is no object. */
const TAKES_SCALARS: ReadonlySet<string> = new Set([
  'text',
  'keyword',
  'match_only_text',
  'wildcard',
  'annotated_text',
]);
const FLOATING: ReadonlySet<string> = new Set(['double', 'float', 'half_float', 'scaled_float']);
const NUMERIC: ReadonlySet<string> = new Set([...FLOATING, 'long']);

/** What of `wanted` the index does not have yet, and where it has something else. `dynamic` is that of the object above. */
export function mappingChanges(existing: Properties, wanted: Properties, dynamic?: boolean | string): MappingChanges {
  const conflicts: MappingConflict[] = [];
  return { added: changesOf({ existing, wanted, dynamic, path: '' }, conflicts), conflicts };
}

interface Level {
  readonly existing: Properties;
  readonly wanted: Properties;
  readonly dynamic: boolean | string | undefined;
  readonly path: string;
}

function changesOf({ existing, wanted, dynamic, path }: Level, conflicts: MappingConflict[]): Properties {
  const added: [string, FieldMapping][] = [];
  for (const [name, want] of Object.entries(wanted)) {
    const has = fieldAt(existing, name);
    const field = has === undefined ? want : changeOf(has, want, { dynamic, path: joined(path, name) }, conflicts);
    if (field !== undefined) added.push([name, field]);
  }
  return Object.fromEntries(added);
}

type Place = Pick<Level, 'dynamic' | 'path'>;

/** What has to be put for a field that is there; undefined for nothing. */
function changeOf(
  has: FieldMapping,
  want: FieldMapping,
  place: Place,
  conflicts: MappingConflict[],
): FieldMapping | undefined {
  const { path } = place;
  // Kept as it comes, whatever it is.
  if (has.enabled === false) return undefined;
  if (isObjectField(has)) return changeOfObject(has, want, place, conflicts);
  const conflict = isFlatField(has) ? flatConflict(want) : leafConflict(has, want);
  if (conflict !== undefined) conflicts.push({ path, has: shownType(has), wanted: shownType(want), effect: conflict });
  return undefined;
}

function changeOfObject(
  has: FieldMapping,
  want: FieldMapping,
  { dynamic: above, path }: Place,
  conflicts: MappingConflict[],
): FieldMapping | undefined {
  const dynamic = has.dynamic ?? above;
  const base = { type: has.type ?? 'object' };
  const isMap = isFlatField(want);
  if (!isObjectField(want) && !isMap) {
    conflicts.push({ path, has: shownType(has), wanted: shownType(want), effect: 'refused' });
    return undefined;
  }
  const properties = isMap
    ? {}
    : changesOf({ existing: has.properties ?? {}, wanted: want.properties ?? {}, dynamic, path }, conflicts);
  // It cannot become one field any more, but it can get no further ones.
  const close = (isMap || isClosed(want.dynamic)) && !isClosed(dynamic);
  if (!close && Object.keys(properties).length === 0) return undefined;
  return { ...base, ...(close ? { dynamic: false } : {}), properties };
}

function flatConflict(want: FieldMapping): MappingConflict['effect'] | undefined {
  return isFlatField(want) || isObjectField(want) ? undefined : 'refused';
}

function leafConflict(has: FieldMapping, want: FieldMapping): MappingConflict['effect'] | undefined {
  if (isObjectField(want) || isFlatField(want) || want.enabled === false) return 'refused';
  const [hasType = 'object', wantType = 'object'] = [has.type, want.type];
  if (hasType === wantType || hasType === 'alias') return undefined;
  if (TAKES_SCALARS.has(hasType)) return NUMERIC.has(wantType) || wantType === 'date' ? 'imprecise' : undefined;
  if (FLOATING.has(hasType) && (wantType === 'double' || wantType === 'long')) return undefined;
  // Fractions are cut off for the search only.
  if (hasType === 'long' && wantType === 'double') return 'imprecise';
  return 'refused';
}

function shownType(field: FieldMapping): string {
  if (field.enabled === NOT_INDEXED.enabled) return 'object and other values';
  return field.type ?? 'object';
}
