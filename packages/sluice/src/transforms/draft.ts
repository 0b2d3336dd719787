import { DocumentBuilder, documentValue } from '../bson/build-document.ts';
import { asBuffer, BsonType, findField } from '../bson/elements.ts';
import { dateValue, stringValue, timestampValue } from '../bson/make-values.ts';
import { ReshapedEvent } from '../bson/reshaped-event.ts';
import { isSame } from '../bson/rewrite-document.ts';
import type { BsonValue, ChangeEvent, Namespace } from '../core/change-event.ts';
import { clusterTimeOf } from '../core/change-event.ts';
import type { Envelope } from '../core/envelope.ts';
import type { Fields, Value } from './expressions/scope.ts';
import { ValueProblem } from './problem.ts';

/** The fields of an event as transforms see it, in their order. */
export const VIEW_FIELDS = ['id', 'op', 'ns', 'key', 'after', 'before', 'update', 'ts', 'time'] as const;

/** The images of an event: the document after and before the change, and the update description. */
export type Image = 'after' | 'before' | 'update';

/**
 * An event on its way through the transforms: what they see of it and what they have changed so far. Only the images and the
 * namespace can change.
 */
export class Draft implements Fields {
  readonly #envelope: Envelope;
  readonly #event: ChangeEvent;
  readonly #images = new Map<Image, Uint8Array | undefined>();
  readonly #changed = new Set<Image>();
  namespace: Namespace;

  constructor(envelope: Envelope) {
    this.#envelope = envelope;
    this.#event = envelope.event;
    this.namespace = envelope.namespace;
  }

  get event(): ChangeEvent {
    return this.#event;
  }

  /** The image as it is now; undefined when the event has none. */
  image(image: Image): Uint8Array | undefined {
    if (this.#images.has(image)) return this.#images.get(image);
    const bytes = this.#event[image]();
    this.#images.set(image, bytes);
    return bytes;
  }

  /** Replaces an image that the event has; undefined takes it away. The `_id` of a document stays what it is. */
  replace(image: Image, bytes: Uint8Array | undefined): void {
    const before = this.image(image);
    if (before === undefined || (bytes !== undefined && isSame(asBuffer(bytes), asBuffer(before)))) return;
    this.#images.set(image, image === 'update' || bytes === undefined ? bytes : withId(bytes, before));
    this.#changed.add(image);
  }

  /** The envelope with everything that was changed; itself when nothing was. */
  finish(): Envelope {
    const { namespace } = this;
    if (this.#changed.size === 0 && namespace === this.#envelope.namespace) return this.#envelope;
    if (this.#changed.size === 0) return { ...this.#envelope, namespace };
    const images = Object.fromEntries([...this.#changed].map((image) => [image, this.#images.get(image) ?? null]));
    const event = new ReshapedEvent(this.#event, images);
    return { ...this.#envelope, event, namespace, original: this.#envelope.original ?? this.#event };
  }

  get(name: string): Value {
    const event = this.#event;
    switch (name) {
      case 'id':
        return stringValue(event.id);
      case 'op':
        return stringValue(event.op);
      case 'ns':
        return namespaceValue(this.namespace);
      case 'key':
        return documentOf(event.key());
      case 'after':
      case 'before':
      case 'update':
        return documentOf(this.image(name));
      case 'ts': {
        const { t, i } = clusterTimeOf(event);
        return timestampValue(t, i);
      }
      case 'time':
        return dateValue(BigInt(Math.trunc(event.sourceTimeMs)));
      default:
        return undefined;
    }
  }

  whole(): BsonValue {
    return documentValue(VIEW_FIELDS.map((name) => [name, this.get(name)] as const));
  }
}

/** A transform's document with the `_id` it had: put back in front when it is missing. Another one is a problem. */
function withId(bytes: Uint8Array, before: Uint8Array): Uint8Array {
  const had = findField(before, '_id');
  if (had === undefined) return bytes;
  const has = findField(bytes, '_id');
  if (has === undefined) {
    const builder = new DocumentBuilder();
    builder.field(Buffer.from('_id'), had);
    builder.elements(bytes.subarray(4, -1));
    return builder.build();
  }
  if (has.type === had.type && asBuffer(has.bytes).equals(had.bytes)) return bytes;
  throw new ValueProblem('it gives the document another _id');
}

function documentOf(bytes: Uint8Array | undefined): Value {
  return bytes && { type: BsonType.document, bytes };
}

const namespaceValues = new WeakMap<Namespace, BsonValue>();

/** Events of one namespace share one object. */
function namespaceValue(namespace: Namespace): BsonValue {
  let value = namespaceValues.get(namespace);
  if (value === undefined) {
    value = documentValue([
      ['db', stringValue(namespace.db)],
      ['coll', stringValue(namespace.coll)],
    ]);
    namespaceValues.set(namespace, value);
  }
  return value;
}
