import { serialize, Timestamp } from 'bson';
import { DocumentBuilder } from '../../../bson/build-document.ts';
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
  /** One that is BSON already, behind them. */
  readonly description?: BsonValue | undefined;
}

/** What a collection, a time series or a view is like, or which indexes it has. */
export interface Structure {
  readonly op: 'create' | 'createIndexes';
  readonly nsType: 'collection' | 'timeseries' | 'view';
  /** The `operationDescription` of a change event. */
  readonly description: BsonValue;
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

/** The event of a server that shows expanded events when such a collection is made, marked with `snapshot: true`. */
export function structureEvent(
  namespace: Namespace,
  { op, nsType, description }: Structure,
  { position, atMs }: { position: Position; atMs: number },
): ChangeEvent {
  return new MarkerEvent({ op, namespace, position, atMs, fields: { nsType, snapshot: true }, description });
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

  constructor({ op, namespace, position, atMs, fields, description }: Marker) {
    const { t, i } = position.clusterTime;
    this.id = `${op}-${t}-${i}-${namespace.db}.${namespace.coll}`;
    this.op = op;
    this.namespace = namespace;
    this.position = position;
    this.version = { clusterTime: position.clusterTime, ordinal: 0 };
    this.sourceTimeMs = atMs;
    const raw = serialize({
      _id: { _data: this.id },
      operationType: op,
      clusterTime: new Timestamp({ t, i }),
      wallTime: new Date(atMs),
      ns: namespace.coll === '' ? { db: namespace.db } : namespace,
      ...fields,
    });
    this.raw = description === undefined ? raw : withDescription(raw, description);
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

function withDescription(raw: Uint8Array, description: BsonValue): Uint8Array {
  const builder = new DocumentBuilder();
  builder.elements(raw.subarray(4, -1));
  builder.field(Buffer.from('operationDescription'), description);
  return builder.build();
}
