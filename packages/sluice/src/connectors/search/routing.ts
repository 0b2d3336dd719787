import { asBuffer, BsonType, findField } from '../../bson/elements.ts';
import { JsonBuffer } from '../../bson/json-buffer.ts';
import { PlainDocumentWriter } from '../../bson/plain-document.ts';
import type { BsonValue, ChangeEvent } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';

const CHUNK_BYTES = 1024;
const buffer = new JsonBuffer(CHUNK_BYTES);
const writer = new PlainDocumentWriter(buffer, { decimals: 'text', nonFinite: 'text', nul: 'reject' });

/** The routing of events: a text made of the value that a path leads to. */
export class Routing {
  readonly #path: string;
  readonly #names: readonly string[];

  constructor(path: string) {
    this.#path = path;
    this.#names = path.split('.');
  }

  /** A text is itself, any other value its JSON. Throws `search.no-routing` (`rejected`) when there is no value. */
  of(event: ChangeEvent): string {
    // A document that is gone is found by what is known of it: the key, which holds the shard key too, or how it was before.
    const value =
      event.op === 'delete'
        ? (this.#find(event.key()) ?? this.#find(event.before()))
        : (this.#find(event.after()) ?? this.#find(event.key()));
    if (value === undefined || isMissing(value)) {
      throw noRouting(this.#path, event.op);
    }
    return textOf(value);
  }

  /**
   * The routings that a document had before an event, as far as pre-images and the events before it in its batch tell. Never throws
   * for what cannot be read or has no value.
   */
  before(event: ChangeEvent, earlier: readonly ChangeEvent[]): ReadonlySet<string> {
    const found = new Set<string>();
    // No document ever gets another `_id`.
    if (this.#names[0] === '_id') return found;
    const add = (document: Uint8Array | undefined) => {
      const value = this.#find(document);
      if (value !== undefined && !isMissing(value)) found.add(textOf(value));
    };
    for (const each of [...earlier, event]) {
      try {
        add(each.before());
        if (each === event) continue;
        add(each.after());
        add(each.key());
      } catch (error) {
        if (!(error instanceof SluiceError) || error.kind !== 'rejected') throw error;
      }
    }
    return found;
  }

  #find(document: Uint8Array | undefined): BsonValue | undefined {
    let value: BsonValue | undefined =
      document === undefined ? undefined : { type: BsonType.document, bytes: document };
    for (const name of this.#names) {
      if (value?.type !== BsonType.document) return undefined;
      value = findField(value.bytes, name);
    }
    return value;
  }
}

function isMissing({ type }: BsonValue): boolean {
  return type === BsonType.null || type === BsonType.undefined;
}

function textOf({ type, bytes }: BsonValue): string {
  buffer.rewind();
  buffer.begin(bytes.length);
  writer.value(type, asBuffer(bytes));
  const text = buffer.end().toString();
  return text.startsWith('"') ? (JSON.parse(text) as string) : text;
}

function noRouting(path: string, op: string): SluiceError {
  return new SluiceError(`an event of kind ${op} does not hold the field "${path}", which chooses the shard`, {
    kind: 'rejected',
    code: 'search.no-routing',
    hint:
      op === 'delete'
        ? 'Let the collection record pre-images and read them (`fullDocumentBeforeChange`), or set `routing` to `_id`. The document is still in the index: delete it by hand.'
        : 'Every document needs a value there: set `routing` to a field that all of them have, or to `_id`.',
  });
}
