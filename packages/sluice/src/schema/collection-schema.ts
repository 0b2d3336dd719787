import { z } from 'zod';
import { SluiceError } from '../core/failure.ts';
import type { FieldPath } from '../core/field-path.ts';

/** One BSON type of a field. Times are those of the changes at the source, in ms since the epoch. */
export interface TypeSchema {
  /** As MongoDB's `$type` calls it. */
  readonly type: string;
  /** Whole documents in which the field has it, about: what is read again counts again. */
  readonly seen: number;
  readonly sinceMs: number;
  readonly lastMs: number;
  /** True while documents with it are refused and nobody has accepted it. */
  readonly pending: boolean;
}

/** One field. */
export interface FieldSchema {
  readonly path: FieldPath;
  /** Whole documents that have it. */
  readonly seen: number;
  readonly types: readonly TypeSchema[];
}

/** What changed after a collection was learned. */
export type SchemaChangeKind = 'collection-added' | 'field-added' | 'type-added';

/** A change of the schema, with the event that showed it first. Fields inside a new field are not told apart. */
export interface SchemaChange {
  readonly kind: SchemaChangeKind;
  /** `db.coll`. */
  readonly collection: string;
  /** Empty for a new collection. */
  readonly path: FieldPath;
  /** What is new. */
  readonly types: readonly string[];
  /** The types that were known before. */
  readonly known: readonly string[];
  /** Id of the event. */
  readonly event: string;
  readonly atMs: number;
}

/** Everything that is known about the documents of one collection. */
export interface CollectionSchema {
  /** `db.coll`. */
  readonly collection: string;
  /** Whole documents that were looked at; changes without their document do not count. */
  readonly documents: number;
  readonly sinceMs: number;
  readonly lastMs: number;
  /** Paths whose names are those of a map, because there were too many. */
  readonly maps: readonly FieldPath[];
  /** True when there was no room for all fields; what is not here is then not watched. */
  readonly limited: boolean;
  /** In the order of their paths. */
  readonly fields: readonly FieldSchema[];
  /** The last changes, newest first. */
  readonly changes: readonly SchemaChange[];
}

/** Changes that are kept of one collection. */
export const CHANGES_KEPT = 50;

const VERSION = 1;
const count = z.number().int().min(0);

const stored = z.object({
  version: z.literal(VERSION),
  collection: z.string(),
  documents: count,
  sinceMs: z.number(),
  lastMs: z.number(),
  maps: z.array(z.string()),
  limited: z.boolean(),
  fields: z.array(
    z.object({
      path: z.string(),
      seen: count,
      types: z.array(
        z.object({ type: z.string(), seen: count, sinceMs: z.number(), lastMs: z.number(), pending: z.boolean() }),
      ),
    }),
  ),
  changes: z.array(
    z.object({
      kind: z.enum(['collection-added', 'field-added', 'type-added']),
      collection: z.string(),
      path: z.string(),
      types: z.array(z.string()),
      known: z.array(z.string()),
      event: z.string(),
      atMs: z.number(),
    }),
  ),
});

/** The schema as a store keeps it: versioned JSON. */
export function encodeSchema(schema: CollectionSchema): string {
  return JSON.stringify({ version: VERSION, ...schema });
}

/** Reads what `encodeSchema` wrote. Throws a `config` error when it is something else. */
export function decodeSchema(text: string, collection: string): CollectionSchema {
  try {
    const { version: _, ...schema } = stored.parse(JSON.parse(text));
    if (schema.collection === collection) return schema;
  } catch {
    // Told below: what is wrong in it helps nobody.
  }
  throw new SluiceError(`what is stored about the schema of ${collection} cannot be read`, {
    kind: 'config',
    code: 'schema.damaged',
    hint: 'Remove that entry from the place of the schemas; the collection is then learned anew.',
  });
}
