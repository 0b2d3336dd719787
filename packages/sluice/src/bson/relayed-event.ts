import type { BsonValue, ChangeEvent, Namespace, Operation, Version } from '../core/change-event.ts';
import type { Position } from '../core/position.ts';

/** What the one who relayed an event knows better than its bytes. */
export interface RelayedParts {
  readonly id?: string | undefined;
  readonly version?: Version | undefined;
}

/** An event that came through a broker: it says what it said at its source, but stands where its message stands. */
export class RelayedEvent implements ChangeEvent {
  readonly #event: ChangeEvent;
  readonly #parts: RelayedParts | undefined;
  readonly position: Position;

  constructor(event: ChangeEvent, position: Position, parts?: RelayedParts) {
    this.#event = event;
    this.position = position;
    this.#parts = parts;
  }

  get relayed(): boolean {
    return true;
  }

  get id(): string {
    return this.#parts?.id ?? this.#event.id;
  }

  get op(): Operation {
    return this.#event.op;
  }

  get namespace(): Namespace {
    return this.#event.namespace;
  }

  get version(): Version {
    return this.#parts?.version ?? this.#event.version;
  }

  get sourceTimeMs(): number {
    return this.#event.sourceTimeMs;
  }

  get raw(): Uint8Array {
    return this.#event.raw;
  }

  get size(): number {
    return this.#event.size;
  }

  get degraded(): 'images-dropped' | undefined {
    return this.#event.degraded;
  }

  key(): Uint8Array | undefined {
    return this.#event.key();
  }

  after(): Uint8Array | undefined {
    return this.#event.after();
  }

  before(): Uint8Array | undefined {
    return this.#event.before();
  }

  update(): Uint8Array | undefined {
    return this.#event.update();
  }

  field(name: string): BsonValue | undefined {
    return this.#event.field(name);
  }
}
