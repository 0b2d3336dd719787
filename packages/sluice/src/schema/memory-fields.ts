import type { Namespace } from '../core/change-event.ts';
import type { LearnedCollection, LearnedFields } from '../core/learned-fields.ts';
import type { LearnedCollection as Learning } from './learned-collection.ts';
import type { SchemaMemory } from './schema-memory.ts';

/** What a memory of schemas knows, for a sink that makes fields or columns of it. What nobody has accepted is left out. */
export class MemoryFields implements LearnedFields {
  readonly #memory: SchemaMemory;
  readonly #lists = new WeakMap<Learning, LearnedCollection>();
  /** Events of one namespace that follow each other share it. */
  #namespace: Namespace | undefined;
  #collection: Learning | undefined;

  constructor(memory: SchemaMemory) {
    this.#memory = memory;
  }

  of(namespace: Namespace): LearnedCollection | undefined {
    if (namespace !== this.#namespace || this.#collection === undefined) {
      this.#namespace = namespace;
      this.#collection = this.#memory.known(namespace);
    }
    const collection = this.#collection;
    if (collection === undefined) return undefined;
    const last = this.#lists.get(collection);
    if (last?.revision === collection.revision) return last;
    const list = listOf(collection);
    this.#lists.set(collection, list);
    return list;
  }
}

function listOf(collection: Learning): LearnedCollection {
  const { fields, maps } = collection.schema();
  const accepted = fields.map(({ path, types }) => ({
    path,
    types: types.filter(({ pending }) => !pending).map(({ type }) => type),
  }));
  return { revision: collection.revision, fields: accepted.filter(({ types }) => types.length > 0), maps };
}
