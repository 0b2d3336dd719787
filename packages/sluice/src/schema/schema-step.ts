import type { ChangeEvent, Namespace } from '../core/change-event.ts';
import type { Envelope } from '../core/envelope.ts';
import { asSluiceError, SluiceError } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { SchemaStore } from '../core/schema-store.ts';
import type { Transform, Transformed } from '../core/transform.ts';
import { typeNames } from './bson-types.ts';
import type { SchemaChange } from './collection-schema.ts';
import type { LearnedCollection, Novelty } from './learned-collection.ts';
import { type Outline, outlineOf, outlineOfUpdate, updatedFieldsOf } from './outline.ts';
import { changeText, driftError } from './schema-drift.ts';
import type { SchemaMemory, SchemaView } from './schema-memory.ts';
import { SchemaSaver } from './schema-saver.ts';
import { isRefusing, type SchemaSettings } from './settings.ts';
import { ShapeHash } from './shape-hash.ts';
import type { KnownShape } from './shapes.ts';

/** The step of a pipeline that learns the schemas of what passes, and watches them. */
export interface SchemaStep extends Transform {
  /** What is known now. */
  view(): SchemaView;
  /** Accepts every change that waits for it, durably; resolves with in how many collections there was one. */
  accept(signal: AbortSignal): Promise<number>;
  /** Saves what is left. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What the step is made with. */
export interface SchemaStepContext {
  readonly pipeline: string;
  /** What the process knows already; it is made once per pipeline with the same settings. */
  readonly memory: SchemaMemory;
  /** Opens where it is kept; absent when it is only kept in memory. */
  readonly openStore?: ((signal: AbortSignal) => Promise<SchemaStore>) | undefined;
  /** The name of that place, for people. */
  readonly storeName?: string | undefined;
  readonly logger: Logger;
  /** Told of every change. */
  readonly onChange?: ((change: SchemaChange) => void) | undefined;
  readonly signal: AbortSignal;
}

/** Seeds that keep whole documents and the fields of an update apart. */
const WHOLE = 1;
const PARTIAL = 2;

/**
 * Makes the step with what the store knows. A store that cannot be read is an error where a change would be refused, for
 * without it everything would be taken for known; elsewhere it is told, and the step goes on with its memory.
 */
export async function createSchemaStep(settings: SchemaSettings, context: SchemaStepContext): Promise<SchemaStep> {
  const { pipeline, memory, openStore, logger, signal } = context;
  const saver = openStore && new SchemaSaver({ pipeline, memory, open: openStore, logger });
  try {
    await saver?.load(signal);
  } catch (error) {
    signal.throwIfAborted();
    if (isRefusing(settings)) throw error;
    const { code, message, hint } = asSluiceError(error);
    logger.warn({ code, hint, reason: message }, 'the schema is learned in memory only');
  }
  if (!isRefusing(settings) && memory.accept() > 0) for (const collection of memory.unstored) saver?.news(collection);
  return new LearningStep(settings, context, saver);
}

class LearningStep implements SchemaStep {
  readonly #settings: SchemaSettings;
  readonly #context: SchemaStepContext;
  readonly #saver: SchemaSaver | undefined;
  readonly #hash = new ShapeHash();
  /** Events of one namespace that follow each other share it. */
  #namespace: Namespace | undefined;
  #collection: LearnedCollection | undefined;
  #toldLimit = false;

  constructor(settings: SchemaSettings, context: SchemaStepContext, saver: SchemaSaver | undefined) {
    this.#settings = settings;
    this.#context = context;
    this.#saver = saver;
  }

  apply(batch: readonly Envelope[], signal: AbortSignal): readonly Transformed[] | Promise<readonly Transformed[]> {
    let results: Transformed[] | undefined;
    for (let index = 0; index < batch.length; index++) {
      const refused = this.#look(batch[index]!.event);
      if (refused === undefined) continue;
      if (this.#settings.onChange === 'stop') return this.#stop(refused, signal);
      results ??= [...batch];
      results[index] = refused;
    }
    return results ?? batch;
  }

  view(): SchemaView {
    const { memory, pipeline, storeName } = this.#context;
    return memory.view(pipeline, storeName);
  }

  async accept(signal: AbortSignal): Promise<number> {
    await this.#saver?.refresh(signal);
    const accepted = this.#context.memory.accept();
    await this.#saver?.save(signal);
    return accepted;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#saver?.[Symbol.asyncDispose]();
  }

  /** What is to be accepted is stored, so that it can be accepted while nothing runs. */
  async #stop(error: SluiceError, signal: AbortSignal): Promise<never> {
    await this.#saver?.save(signal);
    throw error;
  }

  /** Learns from one event; the error when it is refused. What cannot be read is for those behind to decide. */
  #look(event: ChangeEvent): SluiceError | undefined {
    try {
      return this.#learn(event);
    } catch (error) {
      if (error instanceof SluiceError && error.kind === 'rejected') return undefined;
      throw error;
    }
  }

  #learn(event: ChangeEvent): SluiceError | undefined {
    const { op } = event;
    if (op !== 'insert' && op !== 'update' && op !== 'replace' && op !== 'snapshot') return undefined;
    const document = event.after();
    if (document !== undefined) return this.#learnFrom(event, document, WHOLE);
    const description = event.update();
    const updated = description && updatedFieldsOf(description);
    return updated === undefined ? undefined : this.#learnFrom(event, updated, PARTIAL);
  }

  #learnFrom(event: ChangeEvent, document: Uint8Array, kind: number): SluiceError | undefined {
    this.#hash.of(document, kind);
    const collection = this.#collectionOf(event);
    if (collection === undefined) return undefined;
    const shape = collection.shapes.find(this.#hash);
    if (shape === undefined || (shape.refusal !== undefined && event.op === 'snapshot')) {
      return this.#examine(event, collection, document, kind === WHOLE);
    }
    shape.count += 1;
    if (shape.whole) collection.documents += 1;
    const atMs = event.sourceTimeMs;
    if (atMs > shape.lastMs) shape.lastMs = atMs;
    return shape.refusal?.();
  }

  #collectionOf(event: ChangeEvent): LearnedCollection | undefined {
    const { namespace } = event;
    if (namespace === this.#namespace) return this.#collection;
    const { memory } = this.#context;
    const collection = memory.collection(namespace);
    this.#namespace = namespace;
    this.#collection = collection;
    if (collection === undefined) this.#tellLimit({}, 'too many collections: the schemas of others are not learned');
    else if (collection.isNew) this.#added(event, collection);
    return collection;
  }

  #added(event: ChangeEvent, collection: LearnedCollection): void {
    collection.isNew = false;
    if (event.op === 'snapshot' || !this.#context.memory.hasLearned()) return;
    const { name } = collection;
    const change = { collection: name, path: '', types: [], known: [], event: event.id, atMs: event.sourceTimeMs };
    this.#tell(collection, { kind: 'collection-added', ...change });
  }

  /** Looks at every field of a document whose shape is not known. */
  #examine(
    event: ChangeEvent,
    collection: LearnedCollection,
    document: Uint8Array,
    whole: boolean,
  ): SluiceError | undefined {
    const { first, second } = this.#hash;
    const atMs = event.sourceTimeMs;
    const outline = whole ? outlineOf(document, collection) : outlineOfUpdate(document, collection);
    const teaches = event.op === 'snapshot' || this.#context.memory.isLearning(collection);
    const novelties = collection.novelties(outline);
    const pending = !teaches && novelties.length > 0 && isRefusing(this.#settings);
    const tallies = this.#teach(collection, outline, { atMs, whole, pending });
    if (novelties.length > 0) this.#saver?.news(collection);
    const drift = teaches ? [] : this.#drift(event, collection, novelties);
    const refusal = pending && drift.length > 0 ? this.#refusal(drift) : undefined;
    if (tallies !== undefined) {
      const shape: KnownShape = { check: second, whole, tallies, refusal, count: 0, lastMs: atMs };
      this.#remember(collection, first, shape);
    }
    return refusal?.();
  }

  #teach(collection: LearnedCollection, outline: Outline, lesson: Parameters<LearnedCollection['learn']>[1]) {
    const tallies = collection.learn(outline, lesson);
    if (lesson.whole) collection.documents += 1;
    if (collection.limited) {
      this.#tellLimit({ collection: collection.name }, 'too many fields: not all of the schema is learned and watched');
    }
    return tallies;
  }

  /** The changes that a document shows; those that are new are told. What there was no room for is not watched. */
  #drift(event: ChangeEvent, collection: LearnedCollection, novelties: readonly Novelty[]): readonly SchemaChange[] {
    const noted = novelties.filter(({ path, types }) => (collection.typesOf(path) & types) === types);
    return noted.map(({ path, types, known, pending }) => {
      const change: SchemaChange = {
        kind: known === 0 ? 'field-added' : 'type-added',
        collection: collection.name,
        path,
        types: typeNames(types),
        known: typeNames(known),
        event: event.id,
        atMs: event.sourceTimeMs,
      };
      if (!pending) this.#tell(collection, change);
      return change;
    });
  }

  #refusal(drift: readonly SchemaChange[]): () => SluiceError {
    const { pipeline } = this.#context;
    return () => driftError(drift, pipeline, this.#settings.onChange);
  }

  #remember(collection: LearnedCollection, place: number, shape: KnownShape): void {
    if (collection.shapes.isFull) this.#context.memory.forgetShapes();
    collection.shapes.add(place, shape);
  }

  #tell(collection: LearnedCollection, change: SchemaChange): void {
    collection.changed(change);
    this.#saver?.news(collection);
    this.#context.onChange?.(change);
    if (this.#settings.onChange === 'allow') return;
    const { atMs: _, ...fields } = change;
    this.#context.logger.warn({ code: 'schema.drift', ...fields }, changeText(change));
  }

  #tellLimit(fields: object, message: string): void {
    if (!this.#toldLimit) this.#context.logger.warn({ code: 'schema.limit', ...fields }, message);
    this.#toldLimit = true;
  }
}
