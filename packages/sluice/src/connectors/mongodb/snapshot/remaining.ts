import { compareBson } from '../../../bson/compare.ts';
import { findField } from '../../../bson/elements.ts';
import type { BsonValue, ChangeEvent } from '../../../core/change-event.ts';
import type { CollectionCopy } from './snapshot-state.ts';

/** Compares two keys of a collection in the order of its `_id` index. */
export type KeyOrder = (copy: CollectionCopy, a: BsonValue, b: BsonValue) => number;

/** The order of collections with the simple collation. */
export const simpleOrder: KeyOrder = (_, a, b) => compareBson(a, b);

/** Whether a document has not been copied yet. */
export function remains(copy: CollectionCopy, key: BsonValue, order: KeyOrder): boolean {
  if (copy.remaining === undefined) return true;
  return copy.remaining.some(({ after, through }) => {
    if (after !== undefined && order(copy, key, after) <= 0) return false;
    return through === undefined || order(copy, key, through) <= 0;
  });
}

/** The `_id` of the document that changed; undefined where the event does not tell (it ends as a dead letter). */
export function keyOf(event: ChangeEvent): BsonValue | undefined {
  try {
    const key = event.key();
    return key && findField(key, '_id');
  } catch {
    return undefined;
  }
}
