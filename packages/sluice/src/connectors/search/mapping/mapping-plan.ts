import { type CountedMapping, fieldUsage, fitInto } from './field-usage.ts';
import { type MappingConflict, mappingChanges } from './mapping-changes.ts';
import type { WantedMapping } from './mapping-for.ts';
import { fieldAt, isClosed, type Properties } from './properties.ts';

/** A mapping as an index has it. */
export interface PresentMapping extends CountedMapping {
  readonly dynamic?: boolean | string;
}

/** What the limit of fields means for a mapping. */
export interface FieldRoom {
  /** Fields that are used when all of the plan is done. */
  readonly used: number;
  readonly limit: number;
  /** Wanted fields for which there is no room. */
  readonly left: number;
  /** Present and wanted fields together, whether there is room for them or not. */
  readonly whole: CountedMapping;
}

/** What to do with a mapping. */
export interface MappingPlan {
  /** To be put into the index; undefined when nothing is missing. */
  readonly update: PresentMapping | undefined;
  readonly conflicts: readonly MappingConflict[];
  readonly room: FieldRoom;
  /** True when documents with fields that are not mapped are taken all the same. */
  readonly takesOthers: boolean;
}

/**
 * How an index gets what is wanted and does not go over its limit of fields. Where there is no room any more, or new names are
 * data, the product must not map them by itself: it would refuse the documents, so that `dynamic: true` becomes `false`.
 */
export function planMapping(present: PresentMapping, wanted: WantedMapping, limit: number): MappingPlan {
  const existing = present.properties ?? {};
  const dynamic = present.dynamic ?? true;
  const { added, conflicts } = mappingChanges(existing, wanted.properties, dynamic);
  const before = fieldUsage(present);
  const { kept, used, left } = fitInto(added, existing, limit - before);
  const isOpen = String(dynamic) === 'true';
  const close = isOpen && (wanted.closed || left > 0);
  const nothing = !close && Object.keys(kept).length === 0;
  return {
    update: nothing ? undefined : { ...(close ? { dynamic: false } : {}), properties: kept },
    conflicts,
    room: { used: before + used, limit, left, whole: { ...present, properties: together(existing, added) } },
    takesOthers: close || isClosed(dynamic) || dynamic === 'runtime',
  };
}

function together(existing: Properties, added: Properties): Properties {
  const all = new Map(Object.entries(existing));
  for (const [name, field] of Object.entries(added)) {
    const old = fieldAt(existing, name);
    const properties = together(old?.properties ?? {}, field.properties ?? {});
    all.set(
      name,
      old === undefined ? field : { ...old, ...(Object.keys(properties).length > 0 ? { properties } : {}) },
    );
  }
  return Object.fromEntries(all);
}
