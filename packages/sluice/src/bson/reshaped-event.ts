import type { BsonValue, ChangeEvent, Namespace, Operation, Version } from '../core/change-event.ts';
import type { Position } from '../core/position.ts';
import { DocumentBuilder } from './build-document.ts';
import { BsonType, fieldsOf, findField } from './elements.ts';

/** What a reshaped event says instead of its original. Left out: as it was; null: the event no longer has it. */
export interface Images {
  readonly after?: Uint8Array | null | undefined;
  readonly before?: Uint8Array | null | undefined;
  readonly update?: Uint8Array | null | undefined;
}

/** The fields of a raw event that hold them. */
const FIELD_NAMES = { after: 'fullDocument', before: 'fullDocumentBeforeChange', update: 'updateDescription' } as const;

/**
 * An event with other images than the one it was made from; everything that says which change it is stays. Its raw form is the
 * original one with these fields replaced, made when it is asked for.
 */
export class ReshapedEvent implements ChangeEvent {
  readonly #base: ChangeEvent;
  readonly #images: Images;
  #raw: Uint8Array | undefined;

  constructor(base: ChangeEvent, images: Images) {
    this.#base = base;
    this.#images = images;
  }

  get id(): string {
    return this.#base.id;
  }

  get op(): Operation {
    return this.#base.op;
  }

  get namespace(): Namespace {
    return this.#base.namespace;
  }

  get position(): Position {
    return this.#base.position;
  }

  get version(): Version {
    return this.#base.version;
  }

  get sourceTimeMs(): number {
    return this.#base.sourceTimeMs;
  }

  get relayed(): boolean {
    return this.#base.relayed === true;
  }

  get degraded(): 'images-dropped' | undefined {
    return this.#base.degraded;
  }

  get size(): number {
    return Math.max(1, this.#base.size + this.#growth('after') + this.#growth('before') + this.#growth('update'));
  }

  get raw(): Uint8Array {
    this.#raw ??= this.#makeRaw();
    return this.#raw;
  }

  key(): Uint8Array | undefined {
    return this.#base.key();
  }

  after(): Uint8Array | undefined {
    return this.#image('after');
  }

  before(): Uint8Array | undefined {
    return this.#image('before');
  }

  update(): Uint8Array | undefined {
    return this.#image('update');
  }

  field(name: string): BsonValue | undefined {
    for (const image of ['after', 'before', 'update'] as const) {
      if (name === FIELD_NAMES[image] && this.#images[image] !== undefined) return this.#valueOf(image);
    }
    return this.#base.field(name);
  }

  #image(image: keyof Images): Uint8Array | undefined {
    const changed = this.#images[image];
    return changed === undefined ? this.#base[image]() : (changed ?? undefined);
  }

  #valueOf(image: keyof Images): BsonValue | undefined {
    const bytes = this.#image(image);
    return bytes && { type: BsonType.document, bytes };
  }

  #growth(image: keyof Images): number {
    const changed = this.#images[image];
    return changed === undefined ? 0 : (changed?.length ?? 0) - (this.#base[image]()?.length ?? 0);
  }

  #makeRaw(): Uint8Array {
    const { raw } = this.#base;
    const builder = new DocumentBuilder();
    for (const field of fieldsOf(raw)) {
      const value = this.field(field.name);
      // Fields that were not replaced are taken from where they stand, which keeps repeated names as they are.
      const kept = isImage(field.name) ? value : field;
      if (kept !== undefined) builder.field(Buffer.from(field.name), kept);
    }
    for (const image of ['after', 'before', 'update'] as const) {
      const added = this.#images[image];
      if (added == null || findField(raw, FIELD_NAMES[image]) !== undefined) continue;
      builder.field(Buffer.from(FIELD_NAMES[image]), { type: BsonType.document, bytes: added });
    }
    return builder.build();
  }
}

function isImage(name: string): boolean {
  return name === FIELD_NAMES.after || name === FIELD_NAMES.before || name === FIELD_NAMES.update;
}
