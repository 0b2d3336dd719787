import type { Document } from 'mongodb';
import type { ConnectorContext, OpenSchemaStore } from '../../core/connector.ts';
import type { SchemaStore, StoredSchema } from '../../core/schema-store.ts';
import type { MongodbSchemaStoreConfig } from './config.ts';
import { openStateCollection, type StateCollection } from './state-collection.ts';

/**
 * Learned schemas in a MongoDB collection, one document per collection of a pipeline: `{_id: {pipeline, collection},
 * revision, schema, savedAt}`. A replacement is one atomic update, confirmed by a majority, that changes nothing unless
 * the revision is still the one that it was made from.
 */
export const openMongodbSchemaStore: OpenSchemaStore<MongodbSchemaStoreConfig> = async (
  config: MongodbSchemaStoreConfig,
  context: ConnectorContext,
) => new MongodbSchemaStore(await openStateCollection(config, context));

class MongodbSchemaStore implements SchemaStore {
  readonly #state: StateCollection;

  constructor(state: StateCollection) {
    this.#state = state;
  }

  async load(pipeline: string, signal: AbortSignal): Promise<readonly StoredSchema[]> {
    const stored: StoredSchema[] = [];
    const ofPipeline = { _id: { $gte: { pipeline }, $lt: { pipeline: `${pipeline}\0` } } };
    for await (const found of this.#state.find(this.#doing('read'), ofPipeline, { _id: 1 }, signal)) {
      stored.push(...storedIn(found));
    }
    return stored;
  }

  async read(pipeline: string, collection: string, signal: AbortSignal): Promise<StoredSchema | undefined> {
    const filter = { _id: { pipeline, collection } };
    const found = await this.#state.findOne(this.#doing('read'), filter, { projection: {}, signal });
    return found && storedIn(found)[0];
  }

  async replace(pipeline: string, { collection, revision, text }: StoredSchema, signal: AbortSignal): Promise<boolean> {
    const isLast = { $eq: [{ $ifNull: ['$revision', 0] }, revision] };
    const next = { revision: revision + 1, schema: { $literal: text }, savedAt: '$$NOW' };
    const u = [{ $replaceWith: { $cond: [isLast, { $mergeObjects: ['$$ROOT', next] }, '$$ROOT'] } }];
    const doing = this.#doing('save');
    const after = await this.#state.findAndModify(doing, { _id: { pipeline, collection } }, u, signal);
    // Whoever was faster with the same text has done the same.
    return Number(after['revision']) === revision + 1 && after['schema'] === text;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#state[Symbol.asyncDispose]();
  }

  #doing(what: string): string {
    return `${what} the learned schemas in ${this.#state.name}`;
  }
}

/** A replacement of what somebody removed meanwhile leaves a document without anything in it. */
function storedIn({ _id, revision, schema }: Document): readonly StoredSchema[] {
  if (typeof schema !== 'string') return [];
  const { collection } = _id as { readonly collection: unknown };
  return [{ collection: String(collection), revision: Number(revision), text: schema }];
}
