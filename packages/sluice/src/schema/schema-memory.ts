import { formatNamespace, type Namespace } from '../core/change-event.ts';
import type { CollectionSchema, SchemaChange } from './collection-schema.ts';
import { LearnedCollection, type LearningRoom } from './learned-collection.ts';
import type { SchemaSettings } from './settings.ts';

/** A collection as it is shown. */
export interface CollectionView extends CollectionSchema {
  /** True while what is new in its documents only teaches. */
  readonly learning: boolean;
}

/** What a pipeline has learned, as it is shown. */
export interface SchemaView {
  readonly pipeline: string;
  readonly onChange: SchemaSettings['onChange'];
  readonly learnDocuments: number;
  /** Where it is kept, for people; undefined when only the process knows it. */
  readonly store: string | undefined;
  /** In the order of their names. */
  readonly collections: readonly CollectionView[];
  /** The last changes of all collections, newest first. */
  readonly changes: readonly SchemaChange[];
}

const MOST_COLLECTIONS = 1_000;
const CHANGES_SHOWN = 200;

/** What the process knows about the schemas of one pipeline; it outlives the attempts to run it. */
export class SchemaMemory {
  readonly settings: SchemaSettings;
  /** Collections that the store does not know all about. */
  readonly unstored = new Set<LearnedCollection>();
  readonly #collections = new Map<string, LearnedCollection>();
  readonly #room: LearningRoom = { fields: 0, tallies: 0 };

  constructor(settings: SchemaSettings) {
    this.settings = settings;
  }

  get collections(): Iterable<LearnedCollection> {
    return this.#collections.values();
  }

  /** The collection, known or not yet; undefined when there is no room for another one. */
  collection(namespace: Namespace): LearnedCollection | undefined {
    return this.#open(formatNamespace(namespace));
  }

  /** The collection, if it is known. */
  known(namespace: Namespace): LearnedCollection | undefined {
    return this.#collections.get(formatNamespace(namespace));
  }

  /** True when what is new in the documents of the collection only teaches. */
  isLearning({ documents }: { readonly documents: number }): boolean {
    return documents < this.settings.learnDocuments;
  }

  /** True when some collection has been learned, so that another one is news. */
  hasLearned(): boolean {
    return [...this.collections].some((collection) => !this.isLearning(collection));
  }

  /** Forgets all shapes; they are examined again. */
  forgetShapes(): void {
    for (const collection of this.collections) collection.forgetShapes();
  }

  /** Takes over what the store has; what it does not have yet stays. */
  adopt(schemas: readonly CollectionSchema[]): void {
    for (const schema of schemas) this.#open(schema.collection)?.adopt(schema);
  }

  /** Accepts every change that waits for it; returns in how many collections there was one. */
  accept(): number {
    let accepted = 0;
    for (const collection of this.collections) {
      if (!collection.accept()) continue;
      this.unstored.add(collection);
      accepted += 1;
    }
    return accepted;
  }

  /** Everything, for people. */
  view(pipeline: string, store: string | undefined): SchemaView {
    const { onChange, learnDocuments } = this.settings;
    const schemas = [...this.collections].map((collection) => collection.schema());
    const collections = schemas
      .map((schema) => ({ ...schema, learning: this.isLearning(schema) }))
      .toSorted((a, b) => (a.collection < b.collection ? -1 : 1));
    const changes = schemas.flatMap((schema) => schema.changes).toSorted((a, b) => b.atMs - a.atMs);
    return { pipeline, onChange, learnDocuments, store, collections, changes: changes.slice(0, CHANGES_SHOWN) };
  }

  #open(name: string): LearnedCollection | undefined {
    const known = this.#collections.get(name);
    if (known !== undefined) return known;
    if (this.#collections.size >= MOST_COLLECTIONS) return undefined;
    const collection = new LearnedCollection(name, this.#room, this.settings.collapseAbove);
    this.#collections.set(name, collection);
    return collection;
  }
}
