import type { SchemaStore, StoredSchema } from '../core/schema-store.ts';

/** The place behind memory schema stores, by pipeline and collection; opening a store twice is like two processes. */
export type SchemaPlace = Map<string, StoredSchema>;

/** A schema store over a place in memory; `before` may throw or wait. */
export function memorySchemaStore(
  place: SchemaPlace,
  before: (call: 'load' | 'read' | 'replace') => void | Promise<void> = () => {},
): SchemaStore {
  const keyOf = (pipeline: string, collection: string) => `${pipeline}\u0000${collection}`;
  return {
    async load(pipeline) {
      await before('load');
      return [...place].filter(([key]) => key.startsWith(keyOf(pipeline, ''))).map(([, stored]) => stored);
    },
    async read(pipeline, collection) {
      await before('read');
      return place.get(keyOf(pipeline, collection));
    },
    async replace(pipeline, schema) {
      await before('replace');
      const key = keyOf(pipeline, schema.collection);
      if ((place.get(key)?.revision ?? 0) !== schema.revision) return false;
      place.set(key, { ...schema, revision: schema.revision + 1 });
      return true;
    },
    async [Symbol.asyncDispose]() {},
  };
}
