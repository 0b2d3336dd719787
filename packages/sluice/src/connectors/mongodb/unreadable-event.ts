import { findField } from '../../bson/elements.ts';
import { tokenData } from '../../bson/reply.ts';
import { clusterTimeOfToken } from '../../bson/resume-token.ts';
import type { BsonValue, ChangeEvent, Namespace, Operation, Version } from '../../core/change-event.ts';
import type { Position } from '../../core/position.ts';

/**
 * An event whose outermost document cannot be walked. It keeps its place in the stream and its bytes; everything else
 * throws the `rejected` error that says why, so that it ends as a dead letter.
 */
export class UnreadableEvent implements ChangeEvent {
  readonly raw: Uint8Array;
  readonly position: Position;
  readonly degraded = undefined;
  readonly #error: unknown;

  /** `previous` is the position of the event before it, used when not even a resume token can be found. */
  constructor(raw: Uint8Array, error: unknown, previous: Position) {
    this.raw = raw;
    this.#error = error;
    this.position = positionIn(raw) ?? previous;
  }

  get id(): string {
    return this.position.token.slice(0, 512);
  }

  get version(): Version {
    return { clusterTime: this.position.clusterTime, ordinal: 0 };
  }

  get sourceTimeMs(): number {
    return this.position.clusterTime.t * 1000;
  }

  get op(): Operation {
    throw this.#error;
  }

  get namespace(): Namespace {
    throw this.#error;
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

/** The `_id` comes first in an event, so it can be read although something behind it is broken. */
function positionIn(raw: Uint8Array): Position | undefined {
  try {
    const id = findField(raw, '_id');
    const token = id === undefined ? undefined : tokenData(id.bytes);
    return token === undefined ? undefined : { token, clusterTime: clusterTimeOfToken(token) };
  } catch {
    return undefined;
  }
}
