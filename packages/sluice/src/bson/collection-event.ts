import type { ChangeEvent, Namespace } from '../core/change-event.ts';
import type { ClusterTime } from '../core/cluster-time.ts';
import { asBuffer, BsonType, findField } from './elements.ts';
import { textOfValue } from './make-values.ts';

/** What `snapshotEnd` says: the time at which its copy began. Undefined when the event does not say it. */
export function sinceOf(event: ChangeEvent): ClusterTime | undefined {
  const since = event.field('since');
  if (since?.type !== BsonType.timestamp) return undefined;
  const bytes = asBuffer(since.bytes);
  return { t: bytes.readUInt32LE(4), i: bytes.readUInt32LE(0) };
}

/** The new name that a `rename` gives. Undefined when the event does not say it. */
export function renamedTo(event: ChangeEvent): Namespace | undefined {
  const to = event.field('to');
  if (to?.type !== BsonType.document) return undefined;
  const [db, coll] = ['db', 'coll'].map((name) => {
    const value = findField(to.bytes, name);
    return value?.type === BsonType.string ? textOfValue(value) : undefined;
  });
  return db === undefined || coll === undefined ? undefined : { db, coll };
}
