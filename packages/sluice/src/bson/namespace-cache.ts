import type { Namespace } from '../core/change-event.ts';
import { asBuffer, BsonType, findField } from './elements.ts';
import { malformedBson } from './malformed.ts';

const MAX_REMEMBERED = 4096;
const NO_BYTES = Buffer.alloc(0);

/** Gives events of one namespace one shared object, found by comparing the bytes of their `ns` field. */
export class NamespaceCache {
  #lastBytes: Uint8Array = NO_BYTES;
  #last: Namespace = { db: '', coll: '' };
  readonly #known = new Map<string, Namespace>();

  /** The namespace in the `ns` document at `start`. Throws `bson.malformed` when it holds no database name. */
  lookup(raw: Buffer, start: number, end: number): Namespace {
    const length = end - start;
    const last = this.#lastBytes;
    if (length === last.length) {
      let i = 0;
      while (i < length && raw[start + i] === last[i]) i++;
      if (i === length) return this.#last;
    }
    return this.#remember(raw.subarray(start, end));
  }

  #remember(bytes: Buffer): Namespace {
    const key = bytes.toString('latin1');
    let namespace = this.#known.get(key);
    if (namespace === undefined) {
      namespace = decodeNamespace(bytes);
      if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
      this.#known.set(key, namespace);
    }
    this.#lastBytes = Buffer.from(bytes);
    this.#last = namespace;
    return namespace;
  }
}

function decodeNamespace(bytes: Uint8Array): Namespace {
  const db = textField(bytes, 'db');
  if (db === undefined) throw malformedBson('the event names no database');
  return Object.freeze({ db, coll: textField(bytes, 'coll') ?? '' });
}

/** The server only accepts names in UTF-8, so decoding them cannot lose anything. */
function textField(document: Uint8Array, name: string): string | undefined {
  const field = findField(document, name);
  if (field?.type !== BsonType.string) return undefined;
  return asBuffer(field.bytes).toString('utf8', 4, field.bytes.length - 1);
}
