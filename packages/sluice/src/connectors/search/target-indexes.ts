import { formatNamespace, type Namespace } from '../../core/change-event.ts';
import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import type { IndexNames } from './index-name.ts';

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
  readonly #bySource = new WeakMap<Namespace, TargetIndex>();
  readonly #byIndex = new Map<string, TargetIndex>();

  constructor(names: IndexNames) {
    this.#names = names;
  }

  /** Throws `config` when the index has documents of another collection. */
  of({ event, namespace }: Envelope): TargetIndex {
    const known = this.#bySource.get(event.namespace);
    if (known?.namespace === namespace) return known;
    const target = { index: this.#names.of(namespace), namespace, source: event.namespace };
    this.#claim(target);
    this.#bySource.set(event.namespace, target);
    return target;
  }

  /** The index that the documents of a namespace would go to; nothing is remembered. */
  named(namespace: Namespace): string {
    return this.#names.of(namespace);
  }

  /** Whose documents were last written to an index. */
  known(index: string): TargetIndex | undefined {
    return this.#byIndex.get(index);
  }

  /** Every index that was written to. */
  all(): readonly string[] {
    return [...this.#byIndex.keys()];
  }

  #claim(target: TargetIndex): void {
    const known = this.#byIndex.get(target.index);
    if (known !== undefined && !isSame(known.source, target.source)) {
      throw sharedIndex(target.index, known.source, target.source);
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
