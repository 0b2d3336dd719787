import { BSON } from 'mongodb';
import { OrderingKeys } from '../bson/ordering-key.ts';
import type { BsonValue, ChangeEvent, Namespace, Operation } from '../core/change-event.ts';
import type { Position } from '../core/position.ts';

/** What a made-up event is made of; everything has a default. */
export interface TestEventInit {
  readonly sequence?: number;
  readonly op?: Operation;
  readonly id?: unknown;
  readonly document?: Record<string, unknown>;
  readonly namespace?: Namespace;
}

const NAMESPACE: Namespace = { db: 'test', coll: 'items' };

/** A position for the n-th event of a made-up stream. */
export function testPosition(sequence: number): Position {
  const t = 1_700_000_000 + Math.floor(sequence / 1000);
  const i = (sequence % 1000) + 1;
  return { token: sequence.toString(16).padStart(12, '0'), clusterTime: { t, i } };
}

/** A well-formed change event that no server has seen, for tests of what comes behind the source. */
export function testEvent(init: TestEventInit = {}): ChangeEvent {
  const { sequence = 0, op = 'insert', id = sequence, namespace = NAMESPACE } = init;
  const position = testPosition(sequence);
  const document = op === 'delete' ? undefined : { _id: id, n: sequence, ...init.document };
  const raw = BSON.serialize({
    _id: { _data: position.token },
    operationType: op,
    clusterTime: new BSON.Timestamp(position.clusterTime),
    ...(document === undefined ? {} : { fullDocument: document }),
    ns: namespace,
    documentKey: { _id: id },
  });
  const slice = (name: string) => (document === undefined && name === 'fullDocument' ? undefined : sliceOf(raw, name));
  return {
    id: position.token,
    op,
    namespace,
    position,
    version: { clusterTime: position.clusterTime, ordinal: 0 },
    sourceTimeMs: position.clusterTime.t * 1000,
    raw,
    size: raw.byteLength,
    degraded: undefined,
    key: () => slice('documentKey')?.bytes,
    after: () => slice('fullDocument')?.bytes,
    before: () => undefined,
    update: () => undefined,
    field: slice,
  };
}

const keys = new OrderingKeys();

/** What a pipeline orders the events of a document by. */
export function orderingKey(event: ChangeEvent): string | undefined {
  return keys.of(event);
}

function sliceOf(raw: Uint8Array, name: string): BsonValue | undefined {
  for (const [type, nameOffset, nameLength, offset, length] of BSON.onDemand.parseToElements(raw)) {
    const found = Buffer.from(raw.subarray(nameOffset, nameOffset + nameLength)).toString();
    if (found === name) return { type, bytes: raw.subarray(offset, offset + length) };
  }
  return undefined;
}
