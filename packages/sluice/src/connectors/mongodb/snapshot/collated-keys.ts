import { encodeValue } from '../../../bson/value-text.ts';
import { type BsonValue, formatNamespace } from '../../../core/change-event.ts';
import { type KeyOrder, simpleOrder } from './remaining.ts';
import type { SnapshotServer } from './snapshot-server.ts';
import type { CollectionCopy } from './snapshot-state.ts';

/**
 * The order of keys, also where only the server knows it: in a collection with a collation. Keys are looked up in
 * advance, a batch at a time, against the bounds of what remains at that moment.
 */
export class CollatedKeys {
  readonly #server: Pick<SnapshotServer, 'compare'>;
  readonly #signs = new Map<string, ReadonlyMap<BsonValue, number>>();

  constructor(server: Pick<SnapshotServer, 'compare'>) {
    this.#server = server;
  }

  /** Compares with a bound of the collection that was looked up, or in plain BSON order where that is the order. */
  readonly order: KeyOrder = (copy, key, bound) => {
    if (copy.collation === undefined) return simpleOrder(copy, key, bound);
    const sign = this.#signs.get(nameOf(copy, key))?.get(bound);
    if (sign === undefined) throw new Error('this key was not looked up');
    return sign;
  };

  /** Whether a key can be compared with all bounds of what remains. */
  knows(copy: CollectionCopy, key: BsonValue): boolean {
    const bounds = boundsOf(copy);
    if (bounds.length === 0) return true;
    const known = this.#signs.get(nameOf(copy, key));
    return known !== undefined && bounds.every((bound) => known.has(bound));
  }

  /** Forgets what was looked up: the changes it was for are handed out. */
  clear(): void {
    this.#signs.clear();
  }

  /** Asks the server. */
  async lookUp(copy: CollectionCopy, keys: readonly BsonValue[]): Promise<void> {
    const bounds = boundsOf(copy);
    const signs = await this.#server.compare(copy, keys, bounds);
    for (const [index, key] of keys.entries()) {
      const row = signs[index] ?? [];
      this.#signs.set(nameOf(copy, key), new Map(bounds.map((bound, at) => [bound, row[at] as number])));
    }
  }
}

function boundsOf({ remaining = [] }: CollectionCopy): BsonValue[] {
  return remaining.flatMap(({ after, through }) => [after, through]).filter((bound) => bound !== undefined);
}

function nameOf({ namespace }: CollectionCopy, key: BsonValue): string {
  return `${formatNamespace(namespace)}\0${encodeValue(key)}`;
}
