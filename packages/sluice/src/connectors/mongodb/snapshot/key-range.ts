import type { Document } from 'mongodb';
import { asBuffer, BsonType, fieldsOf, stringEnd } from '../../../bson/elements.ts';
import type { BsonValue } from '../../../core/change-event.ts';
import { literal, RawValue } from './raw-literal.ts';

/** Aliases of the types that an `_id` can have, in the order in which the server sorts them. */
const TYPES_IN_ORDER = [
  'minKey',
  'null',
  'number',
  'string',
  'symbol',
  'object',
  'binData',
  'objectId',
  'bool',
  'date',
  'timestamp',
  'dbPointer',
  'javascript',
  'javascriptWithScope',
  'maxKey',
];

/**
 * The query for keys behind `key`, in the server's order over all types. A plain `$gt` stays within the type of its
 * operand; `$expr` does not, and becomes an exact bound of the index when that is hinted.
 */
export function behind(key: BsonValue): Document {
  if (holdsDbPointer(key)) return withTypes({ $gt: new RawValue(key, '$gt') }, TYPES_IN_ORDER.slice(rankOf(key) + 1));
  return { $expr: { $gt: ['$_id', literal(key)] } };
}

/** The query for keys up to `key` and for `key` itself. */
export function upTo(key: BsonValue): Document {
  if (holdsDbPointer(key)) return withTypes({ $lte: new RawValue(key, '$lte') }, TYPES_IN_ORDER.slice(0, rankOf(key)));
  return { $expr: { $lte: ['$_id', literal(key)] } };
}

function withTypes(comparison: Document, types: readonly string[]): Document {
  return { $or: [{ _id: comparison }, { _id: { $type: types } }] };
}

/**
 * Expressions compare DBPointers without their namespace (found with 6.0.5), unlike the index and plain queries, so
 * `$expr` would lose keys that hold the deprecated type.
 */
function holdsDbPointer({ type, bytes }: BsonValue): boolean {
  if (type === BsonType.dbPointer) return true;
  if (type === BsonType.codeWithScope) {
    const scope = bytes.subarray(stringEnd(bytes, 4, bytes.length));
    return holdsDbPointer({ type: BsonType.document, bytes: scope });
  }
  if (type !== BsonType.document && type !== BsonType.array) return false;
  if (!asBuffer(bytes).includes(BsonType.dbPointer)) return false;
  for (const field of fieldsOf(bytes)) if (holdsDbPointer(field)) return true;
  return false;
}

/** Only of the types that can hold a DBPointer. */
function rankOf({ type }: BsonValue): number {
  if (type === BsonType.document) return TYPES_IN_ORDER.indexOf('object');
  return TYPES_IN_ORDER.indexOf(type === BsonType.dbPointer ? 'dbPointer' : 'javascriptWithScope');
}
