import { formatNamespace, type Namespace } from '../../core/change-event.ts';
import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import type { IndexNames } from './index-name.ts';
import { convertedCollection } from './temporary-names.ts';

/** An index and whose documents are in it. */
export interface TargetIndex {
  readonly index: string;
  /** As transforms name the collection. */
  readonly namespace: Namespace;
  /** As the source names it. */
  readonly source: Namespace;
}

/**
 * The indexes of events. An index belongs to one collection of the source: ids are unique in a collection only, and what a
 * copy has shown to be gone is deleted from the whole index.
 */
export class TargetIndexes {
  readonly #names: IndexNames;
  #bySource = new WeakMap<Namespace, TargetIndex>();
  readonly #byIndex = new Map<string, TargetIndex>();
  /** New names of collections whose documents stay in their index. */
  readonly #renamed = new Map<string, Namespace>();
  /** Collections of whose copies changes came. */
  readonly #conversions = new Set<string>();

  constructor(names: IndexNames) {
    this.#names = names;
  }

  /** Throws `config` when the index has documents of another collection. */
  of({ event, namespace }: Envelope): TargetIndex {
    const known = this.#bySource.get(event.namespace);
    if (known?.namespace === namespace) return known;
    const converted = convertedCollection(event.namespace);
    const target =
      converted === undefined
        ? { index: this.#names.of(namespace), namespace, source: event.namespace }
        : this.#converted(converted, namespace);
    this.#claim(target);
    this.#bySource.set(event.namespace, target);
    return target;
  }

  /** The index that the documents of a namespace would go to; nothing is remembered. */
  named(namespace: Namespace): string {
    return this.#names.of(namespace);
  }

  /** From now on the index of the collection takes documents under its new name, too. */
  renamed(index: string, to: Namespace): void {
    this.#renamed.set(index, to);
    // Whether both names are still in use is found out again.
    this.#bySource = new WeakMap();
  }

  /** Whose documents were last written to an index. */
  known(index: string): TargetIndex | undefined {
    return this.#byIndex.get(index);
  }

  /** Whether changes came of the copy that is made of a collection to convert it. */
  wasConverted(source: Namespace): boolean {
    return this.#conversions.has(formatNamespace(source));
  }

  /** The index is not there any more. */
  forget(index: string): void {
    this.#byIndex.delete(index);
    this.#bySource = new WeakMap();
  }

  /** Every index that was written to. */
  all(): readonly string[] {
    return [...this.#byIndex.keys()];
  }

  /** Changes of the copy that is made of a collection are changes of the collection. `namespace` is that of the copy. */
  #converted(source: Namespace, namespace: Namespace): TargetIndex {
    this.#conversions.add(formatNamespace(source));
    const known = [...this.#byIndex.values()].find((target) => isSame(target.source, source));
    if (known !== undefined) return known;
    const named = convertedCollection(namespace) ?? namespace;
    return { index: this.#names.of(named), namespace: named, source };
  }

  #claim(target: TargetIndex): void {
    const known = this.#byIndex.get(target.index);
    if (known !== undefined && !isSame(known.source, target.source)) {
      const renamed = this.#renamed.get(target.index);
      if (renamed === undefined || !isSame(renamed, target.source)) {
        throw sharedIndex(target.index, known.source, target.source);
      }
      this.#renamed.delete(target.index);
      this.#bySource = new WeakMap();
    }
    this.#byIndex.set(target.index, target);
  }
}

function isSame(a: Namespace, b: Namespace): boolean {
  return a.db === b.db && a.coll === b.coll;
}

/** The error of an index that two collections would share. */
export function sharedIndex(index: string, first: Namespace, second: Namespace): SluiceError {
  return new SluiceError(
    `documents of ${formatNamespace(second)} would go to the index "${index}", which has those of ${formatNamespace(first)}`,
    {
      kind: 'config',
      code: 'search.shared-index',
      hint: 'Let `index` hold `{db}` and `{coll}`, so that each collection has an index of its own, and search several of them together with an alias or a pattern.',
    },
  );
}
