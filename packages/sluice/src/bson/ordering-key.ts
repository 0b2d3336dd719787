import type { ChangeEvent } from '../core/change-event.ts';
import { asBuffer, BsonType, findField } from './elements.ts';
import { JsonBuffer } from './json-buffer.ts';
import { KeyWriter } from './json-key.ts';

const CHUNK_BYTES = 32 * 1024;

/**
 * Texts for document keys, equal exactly for the ids that MongoDB takes for the same: 1, 1.0 and NumberLong(1) are one.
 * Only `_id` counts, so a change of a shard key does not change it. For comparing, not for showing.
 */
export class OrderingKeys {
  readonly #buffer = new JsonBuffer(CHUNK_BYTES);
  readonly #writer = new KeyWriter(this.#buffer, { style: 'canonical' });

  /** Undefined when the event has no key, or none that can be read. */
  of(event: ChangeEvent): string | undefined {
    try {
      const key = event.orderingKey === undefined ? event.key() : event.orderingKey();
      const id = key === undefined ? undefined : findField(key, '_id');
      if (id === undefined) return undefined;
      const bytes = asBuffer(id.bytes);
      // The usual kind of id needs no other form; no JSON begins like this.
      if (id.type === BsonType.objectId) return `#${bytes.toString('latin1')}`;
      this.#buffer.begin(bytes.length);
      this.#writer.value(id.type, bytes);
      return this.#buffer.end().toString();
    } catch {
      return undefined;
    }
  }
}
