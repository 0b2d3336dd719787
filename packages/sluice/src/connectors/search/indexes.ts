import { deserialize } from 'bson';
import { BsonType, findField } from '../../bson/elements.ts';
import { formatNamespace, type Namespace } from '../../core/change-event.ts';
import type { Envelope } from '../../core/envelope.ts';
import type { LearnedCollection, LearnedFields } from '../../core/learned-fields.ts';
import type { Logger } from '../../core/logger.ts';
import type { SearchClient } from './client.ts';
import type { SearchSinkConfig } from './config.ts';
import { goneBefore, IndexMarks, isOf } from './index-marks.ts';
import { readIndex } from './index-state.ts';
import { IndexUpkeep, type UpkeepRequest } from './index-upkeep.ts';
import { jsonSchemaIn } from './mapping/validator-fields.ts';
import { convertedCollection } from './temporary-names.ts';

/** What the indexes of a sink are prepared with. */
export interface IndexesParts {
  readonly client: SearchClient;
  readonly config: SearchSinkConfig;
  /** Absent when nothing is learned: then fields are known from the validator and the configuration alone. */
  readonly learned: LearnedFields | undefined;
  readonly logger: Logger;
  /** How long an index is taken for what it was, while it is written to. Default: 30 s. */
  readonly lookEveryMs?: number;
}

/** Removes from an index what is older than a version. */
export type Remove = (index: string, before: bigint, signal: AbortSignal) => Promise<void>;

/** An index that was prepared. */
interface Prepared {
  readonly lookedAtMs: number;
  readonly source: Namespace;
  readonly learned: LearnedCollection['revision'] | undefined;
  readonly validator: unknown;
}

const LOOK_EVERY_MS = 30_000;

/**
 * The indexes of a sink: made where they are missing, checked, and their mappings kept ahead of the documents. Two that do so at
 * the same time do not disturb each other.
 */
export class Indexes {
  readonly #parts: IndexesParts;
  readonly #upkeep: IndexUpkeep;
  readonly #marks: IndexMarks;
  readonly #lookEveryMs: number;
  readonly #prepared = new Map<string, Prepared>();
  readonly #running = new Map<string, Promise<unknown>>();
  /** `$jsonSchema` by index, as far as events have told. */
  readonly #validators = new Map<string, unknown>();
  #remove: Remove | undefined;

  constructor(parts: IndexesParts) {
    this.#parts = parts;
    this.#upkeep = new IndexUpkeep(parts);
    this.#marks = new IndexMarks(parts);
    this.#lookEveryMs = parts.lookEveryMs ?? LOOK_EVERY_MS;
  }

  /**
   * Resolves when documents of the collection can be written to the index: it is there, and the fields that are known of them
   * are in its mapping. Cheap when nothing is new; now and then the index is looked at all the same, since others may remove it, or
   * note that its collection was dropped. `namespace` is the collection as transforms name it, `source` as the source
   * does. Throws `config`: `search.shared-index` when it has documents of another collection, `search.index-missing` when it
   * must not be made, `search.index-refused` when the server does not take it, `search.not-an-index` for an alias of several; and
   * what the client throws.
   */
  async prepare(index: string, _namespace: Namespace, named: Namespace, signal: AbortSignal): Promise<void> {
    const source = convertedCollection(named) ?? named;
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

  /** Calls this when another process has noted that what is older than a version is gone: it may just have been written here. */
  removeWith(remove: Remove): void {
    this.#remove = remove;
  }

  /** What has a smaller version number is gone at the source, as far as is known; 0 when nothing is. */
  goneBefore(index: string): bigint {
    return goneBefore(this.#upkeep.known(index)?.mark);
  }

  /** Lets everybody who writes to a prepared index know that what is older than the version is gone at the source. */
  async noteGone(index: string, source: Namespace, before: bigint, signal: AbortSignal): Promise<void> {
    const state = await this.#marks.noteGone(index, source, before, signal);
    if (state !== undefined) this.#upkeep.seen(index, state);
  }

  /**
   * The documents of a collection that was renamed stay in the index, which takes those of the new name from now on. Resolves with
   * false when the index has documents of another collection, and with undefined when there is none.
   */
  async noteRename(index: string, from: Namespace, to: Namespace, signal: AbortSignal): Promise<boolean | undefined> {
    const state = await this.#marks.noteRename(index, from, to, signal);
    if (state === undefined) return undefined;
    this.#upkeep.seen(index, state);
    return state.mark === undefined || isOf(state.mark, from);
  }

  /** True when the sink has made the index, for this collection. */
  isOwn(index: string, source: Namespace): boolean {
    const mark = this.#upkeep.known(index)?.mark;
    return mark !== undefined && mark.adopted !== true && mark.namespace === formatNamespace(source);
  }

  #isPrepared(index: string, source: Namespace): boolean {
    const prepared = this.#prepared.get(index);
    if (prepared === undefined || performance.now() - prepared.lookedAtMs >= this.#lookEveryMs) return false;
    if (prepared.source !== source && formatNamespace(prepared.source) !== formatNamespace(source)) return false;
    return (
      prepared.learned === this.#parts.learned?.of(source)?.revision &&
      prepared.validator === this.#validators.get(index)
    );
  }

  async #start(index: string, source: Namespace, signal: AbortSignal): Promise<void> {
    const learned = this.#parts.learned?.of(source);
    const validator = this.#validators.get(index);
    const known = this.#upkeep.known(index);
    const running = this.#bringUpToDate({ index, source, learned, validator, signal });
    this.#running.set(index, running);
    try {
      const lookedAtMs = await running;
      this.#prepared.set(index, { lookedAtMs, source, learned: learned?.revision, validator });
    } finally {
      this.#running.delete(index);
    }
    const before = this.goneBefore(index);
    if (known !== undefined && before > goneBefore(known.mark)) await this.#remove?.(index, before, signal);
  }

  /** When the index was looked at last. */
  async #bringUpToDate(request: UpkeepRequest): Promise<number> {
    const lastMs = this.#prepared.get(request.index)?.lookedAtMs;
    const nowMs = performance.now();
    const look = lastMs === undefined || nowMs - lastMs >= this.#lookEveryMs;
    await this.#upkeep.bringUpToDate({ ...request, look });
    return look ? nowMs : lastMs;
  }
}
