import { asBuffer } from '../bson/elements.ts';
import { JsonBuffer } from '../bson/json-buffer.ts';
import { KeyWriter } from '../bson/json-key.ts';
import type { ChangeEvent, Namespace } from '../core/change-event.ts';
import { isDataOperation } from '../core/change-event.ts';
import { SluiceError } from '../core/failure.ts';
import type { Encoding } from './format-config.ts';

/** More namespaces than this in one stream are not remembered at once. */
const MAX_REMEMBERED = 4096;
/** Keys are small: some hundred of them fill a chunk. */
const CHUNK_BYTES = 32 * 1024;

/**
 * The keys of records: the document key as Extended JSON in a canonical form (see `KeyWriter`), for DDL events the
 * namespace. Plain JSON and BSON take relaxed keys too: with hex text for an ObjectId, an id of either type would
 * share its key with the other.
 */
export class RecordKeys {
  readonly #buffer = new JsonBuffer(CHUNK_BYTES);
  readonly #writer: KeyWriter;
  readonly #ofNamespaces = new Map<Namespace, Buffer>();

  constructor(encoding: Encoding) {
    this.#writer = new KeyWriter(this.#buffer, { style: encoding === 'canonical' ? 'canonical' : 'relaxed' });
  }

  /** The key of the event's record. Throws `rejected` when a data event has no document key. */
  of(event: ChangeEvent): Buffer {
    const key = event.key();
    if (key !== undefined) return this.#encode(asBuffer(key));
    if (isDataOperation(event.op)) throw missingKey();
    return this.#ofNamespace(event.namespace);
  }

  #encode(key: Buffer): Buffer {
    this.#buffer.begin(key.length * 2);
    this.#writer.document(key);
    return this.#buffer.end();
  }

  #ofNamespace(namespace: Namespace): Buffer {
    let key = this.#ofNamespaces.get(namespace);
    if (key === undefined) {
      const { db, coll } = namespace;
      key = Buffer.from(JSON.stringify(coll !== '' ? { db, coll } : db !== '' ? { db } : {}));
      if (this.#ofNamespaces.size >= MAX_REMEMBERED) this.#ofNamespaces.clear();
      this.#ofNamespaces.set(namespace, key);
    }
    return key;
  }
}

/** A change of a document that does not say of which. */
export function missingKey(): SluiceError {
  return new SluiceError('the change event has no document key', {
    kind: 'rejected',
    code: 'change-event.incomplete',
    hint: 'A $project or $unset in the pipeline must leave documentKey alone.',
  });
}
