import { deserialize } from 'bson';
import { BsonType, findField } from '../../bson/elements.ts';
import { formatNamespace, type Namespace } from '../../core/change-event.ts';
import type { Envelope } from '../../core/envelope.ts';
import type { LearnedCollection, LearnedFields } from '../../core/learned-fields.ts';
import type { Logger } from '../../core/logger.ts';
import type { SearchClient } from './client.ts';
import type { SearchSinkConfig } from './config.ts';
import { readIndex } from './index-state.ts';
import { IndexUpkeep } from './index-upkeep.ts';
import { jsonSchemaIn } from './mapping/validator-fields.ts';

/** What the indexes of a sink are prepared with. */
export interface IndexesParts {
  readonly client: SearchClient;
  readonly config: SearchSinkConfig;
  /** Absent when nothing is learned: then fields are known from the validator and the configuration alone. */
  readonly learned: LearnedFields | undefined;
  readonly logger: Logger;
}

/** An index that was prepared. */
interface Prepared {
  readonly source: Namespace;
  readonly learned: LearnedCollection['revision'] | undefined;
  readonly validator: unknown;
}

/** `convertToCapped` copies the documents into a collection of such a name, which is renamed then. */
const CONVERSION = /^tmp\w+\.convertToCapped\./;

/**
 * The indexes of a sink: made where they are missing, checked, and their mappings kept ahead of the documents. Two that do so at
 * the same time do not disturb each other.
 */
export class Indexes {
  readonly #parts: IndexesParts;
  readonly #upkeep: IndexUpkeep;
  readonly #prepared = new Map<string, Prepared>();
  readonly #running = new Map<string, Promise<void>>();
  /** `$jsonSchema` by index, as far as events have told. */
  readonly #validators = new Map<string, unknown>();

  constructor(parts: IndexesParts) {
    this.#parts = parts;
    this.#upkeep = new IndexUpkeep(parts);
  }

  /**
   * Resolves when documents of the collection can be written to the index: it is there, and the fields that are known of them
   * are in its mapping. Cheap when nothing is new. `namespace` is the collection as transforms name it, `source` as the source
   * does. Throws `config`: `search.shared-index` when it has documents of another collection, `search.index-missing` when it
   * must not be made, `search.index-refused` when the server does not take it; and what the client throws.
   */
  async prepare(index: string, _namespace: Namespace, source: Namespace, signal: AbortSignal): Promise<void> {
    while (!this.#isPrepared(index, source)) {
      const running = this.#running.get(index);
      if (running === undefined) return this.#start(index, source, signal);
      // What the other one failed of is tried again here, so that each call fails of its own.
      await running.catch(() => {});
      signal.throwIfAborted();
    }
  }

  /**
   * Takes over what the source says of the structure of a collection (`create` and `modify` events): its `$jsonSchema`. The
   * index is made for it at once, since the event does not come again.
   */
  async structure(envelope: Envelope, index: string, signal: AbortSignal): Promise<void> {
    const { event, namespace } = envelope;
    if (CONVERSION.test(event.namespace.coll)) return;
    const { from } = this.#parts.config.mapping;
    if (from !== 'both' && from !== 'validator') return;
    const description = event.field('operationDescription');
    const told = description?.type === BsonType.document ? findField(description.bytes, 'validator') : undefined;
    // A `modify` of something else says nothing about it.
    if (told === undefined && event.op === 'modify') return;
    const schema = told?.type === BsonType.document ? jsonSchemaIn(deserialize(told.bytes)) : undefined;
    if (schema === undefined) {
      this.#validators.delete(index);
      return;
    }
    this.#validators.set(index, schema);
    await this.prepare(index, namespace, event.namespace, signal);
  }

  /**
   * The documents of the index `from` are about to move to `index`, as those of a renamed collection: it gets their fields when
   * it is prepared next, so that nothing is mapped by what the first moved document looks like. Nothing happens when there
   * is no such index.
   */
  async inherit(index: string, from: string, signal: AbortSignal): Promise<void> {
    if (this.#parts.config.mapping.from === 'none') return;
    const found = await readIndex(this.#parts.client, from, signal);
    if (found === undefined) return;
    this.#upkeep.inherit(index, found.mapping.properties ?? {});
    this.#prepared.delete(index);
  }

  /** The index is not there any more, or not as it was: it is looked at again before the next write. */
  forget(index: string): void {
    this.#prepared.delete(index);
    this.#upkeep.forget(index);
  }

  #isPrepared(index: string, source: Namespace): boolean {
    const prepared = this.#prepared.get(index);
    if (prepared === undefined) return false;
    if (prepared.source !== source && formatNamespace(prepared.source) !== formatNamespace(source)) return false;
    return (
      prepared.learned === this.#parts.learned?.of(source)?.revision &&
      prepared.validator === this.#validators.get(index)
    );
  }

  async #start(index: string, source: Namespace, signal: AbortSignal): Promise<void> {
    const learned = this.#parts.learned?.of(source);
    const validator = this.#validators.get(index);
    const running = this.#upkeep.bringUpToDate({ index, source, learned, validator, signal });
    this.#running.set(index, running);
    try {
      await running;
      this.#prepared.set(index, { source, learned: learned?.revision, validator });
    } finally {
      this.#running.delete(index);
    }
  }
}
