import { createHash } from 'node:crypto';
import { asBuffer, BsonType, findField } from '../../bson/elements.ts';
import { tokenData } from '../../bson/reply.ts';
import { clusterTimeOfToken } from '../../bson/resume-token.ts';
import type { BsonValue, ChangeEvent, Namespace, Operation, Version } from '../../core/change-event.ts';
import type { Position } from '../../core/position.ts';

/**
 * An event whose outermost document cannot be walked to its end. It keeps its place in the stream, its bytes, and what
 * can be read in front of the damage; its contents throw the `rejected` error that says why, so that it ends as a dead
 * letter.
 */
export class UnreadableEvent implements ChangeEvent {
  readonly raw: Uint8Array;
  readonly position: Position;
  /** Where it cannot be read, an operation of a document: no format may pass over the event. */
  readonly op: Operation;
  readonly namespace: Namespace;
  readonly degraded = undefined;
  readonly #error: unknown;

  /** `previous` is the position of the event before it, used when not even a resume token can be found. */
  constructor(raw: Uint8Array, error: unknown, previous: Position) {
    this.raw = raw;
    this.#error = error;
    this.position = readable(() => positionIn(raw)) ?? previous;
    this.op = readable(() => textField(raw, 'operationType')) ?? 'update';
    this.namespace = readable(() => namespaceIn(raw)) ?? { db: '', coll: '' };
  }

  get size(): number {
    return this.raw.byteLength;
  }

  get id(): string {
    return `unreadable-${createHash('sha256').update(this.position.token).update(this.raw).digest('hex')}`;
  }

  get version(): Version {
    return { clusterTime: this.position.clusterTime, ordinal: 0 };
  }

  get sourceTimeMs(): number {
    return this.position.clusterTime.t * 1000;
  }

  key(): Uint8Array | undefined {
    throw this.#error;
  }

  after(): Uint8Array | undefined {
    throw this.#error;
  }

  before(): Uint8Array | undefined {
    throw this.#error;
  }

  update(): Uint8Array | undefined {
    throw this.#error;
  }

  field(_name: string): BsonValue | undefined {
    throw this.#error;
  }
}

/** Fields are found in order, so those in front of the damage can be read. */
function readable<T>(read: () => T | undefined): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function positionIn(raw: Uint8Array): Position | undefined {
  const id = findField(raw, '_id');
  const token = id === undefined ? undefined : tokenData(id.bytes);
  return token === undefined ? undefined : { token, clusterTime: clusterTimeOfToken(token) };
}

function namespaceIn(raw: Uint8Array): Namespace | undefined {
  const ns = findField(raw, 'ns');
  const db = ns === undefined ? undefined : textField(ns.bytes, 'db');
  return ns === undefined || db === undefined ? undefined : { db, coll: textField(ns.bytes, 'coll') ?? '' };
}

function textField(document: Uint8Array, name: string): string | undefined {
  const field = findField(document, name);
  if (field?.type !== BsonType.string) return undefined;
  return asBuffer(field.bytes).toString('utf8', 4, field.bytes.length - 1);
}
