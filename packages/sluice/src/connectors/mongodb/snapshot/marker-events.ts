import { serialize, Timestamp } from 'bson';
import { findField } from '../../../bson/elements.ts';
import type { BsonValue, ChangeEvent, Namespace, Operation, Version } from '../../../core/change-event.ts';
import type { ClusterTime } from '../../../core/cluster-time.ts';
import type { Position } from '../../../core/position.ts';
import type { SourceGap } from '../../../core/source.ts';

/** What an event that no server sent is made of. */
interface Marker {
  readonly op: Operation;
  readonly namespace: Namespace;
  readonly position: Position;
  readonly atMs: number;
  /** Further fields of the event. */
  readonly fields: Record<string, unknown>;
}

/**
 * The copy that followed a lost position has all of a collection: what a sink holds of it and has not been given again
 * since the time in the field `since` is gone at the source.
 */
export function snapshotEnd(
  namespace: Namespace,
  { since, position, atMs }: { since: ClusterTime; position: Position; atMs: number },
): ChangeEvent {
  const fields = { since: new Timestamp(since) };
  return new MarkerEvent({ op: 'snapshotEnd', namespace, position, atMs, fields });
}

/** Changes between two times will never come: the source had lost them, and the pipeline is set to go on. */
export function gapEvent(namespace: Namespace, gap: SourceGap, position: Position): ChangeEvent {
  const fields = { gap: { from: new Timestamp(gap.from), to: new Timestamp(gap.to) } };
  return new MarkerEvent({ op: 'gap', namespace, position, atMs: gap.atMs, fields });
}

/** An event of the form that the server's have, with a name of its own in `operationType`. */
class MarkerEvent implements ChangeEvent {
  readonly id: string;
  readonly op: Operation;
  readonly namespace: Namespace;
  readonly position: Position;
  readonly version: Version;
  readonly sourceTimeMs: number;
  readonly raw: Uint8Array;
  readonly degraded = undefined;

  constructor({ op, namespace, position, atMs, fields }: Marker) {
    const { t, i } = position.clusterTime;
    this.id = `${op}-${t}-${i}-${namespace.db}.${namespace.coll}`;
    this.op = op;
    this.namespace = namespace;
    this.position = position;
    this.version = { clusterTime: position.clusterTime, ordinal: 0 };
    this.sourceTimeMs = atMs;
    this.raw = serialize({
      _id: { _data: this.id },
      operationType: op,
      clusterTime: new Timestamp({ t, i }),
      wallTime: new Date(atMs),
      ns: namespace.coll === '' ? { db: namespace.db } : namespace,
      ...fields,
    });
  }

  get size(): number {
    return this.raw.byteLength;
  }

  key(): undefined {}
  after(): undefined {}
  before(): undefined {}
  update(): undefined {}

  field(name: string): BsonValue | undefined {
    return findField(this.raw, name);
  }
}
