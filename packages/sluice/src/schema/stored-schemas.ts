import { SluiceError } from '../core/failure.ts';
import type { SchemaStore } from '../core/schema-store.ts';
import { type CollectionSchema, decodeSchema, encodeSchema } from './collection-schema.ts';
import { LearnedCollection } from './learned-collection.ts';
import { SchemaMemory } from './schema-memory.ts';
import type { SchemaSettings } from './settings.ts';

/** Another process may be faster so often in a row before it counts as a failure. */
const MOST_TRIES = 10;

/** What the store has of the pipeline. Rejects with what the store throws, or `schema.damaged`. */
export async function loadSchemas(
  store: SchemaStore,
  pipeline: string,
  signal: AbortSignal,
): Promise<readonly CollectionSchema[]> {
  const entries = await store.load(pipeline, signal);
  return entries.map(({ collection, text }) => decodeSchema(text, collection));
}

/** What a change of a stored schema works on. */
export interface SchemaUpdate {
  readonly store: SchemaStore;
  readonly pipeline: string;
  readonly collection: string;
  readonly settings: SchemaSettings;
  readonly signal: AbortSignal;
}

/** Changes what is stored about a collection, however many others do the same. Resolves with what is stored then. */
export async function updateStored(
  { store, pipeline, collection, settings, signal }: SchemaUpdate,
  change: (stored: LearnedCollection) => void,
): Promise<CollectionSchema> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const stored = await store.read(pipeline, collection, signal);
    const merged = new LearnedCollection(collection, { fields: 0, tallies: 0 }, settings.collapseAbove);
    if (stored !== undefined) merged.add(decodeSchema(stored.text, collection));
    change(merged);
    const schema = merged.schema();
    const revision = stored?.revision ?? 0;
    if (await store.replace(pipeline, { collection, revision, text: encodeSchema(schema) }, signal)) return schema;
  }
  throw new SluiceError(`other processes change the stored schema of ${collection} all the time`, {
    kind: 'transient',
    code: 'schema.contended',
  });
}

/**
 * Accepts in the store every change that waits for it, for a pipeline that does not run here. Resolves with what is
 * stored then, and in how many collections something was accepted.
 */
export async function acceptStored(
  update: Omit<SchemaUpdate, 'collection'>,
): Promise<{ readonly memory: SchemaMemory; readonly accepted: number }> {
  const memory = new SchemaMemory(update.settings);
  memory.adopt(await loadSchemas(update.store, update.pipeline, update.signal));
  const accepted = memory.accept();
  for (const { name: collection } of memory.unstored) {
    await updateStored({ ...update, collection }, (stored) => void stored.accept());
  }
  return { memory, accepted };
}
