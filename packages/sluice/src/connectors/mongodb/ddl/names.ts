import type { Namespace } from '../../../core/change-event.ts';
import type { Envelope } from '../../../core/envelope.ts';

/** Where documents of a namespace go in the target; `coll` is empty for that of a whole database. */
export type MapNamespace = (namespace: Namespace) => Namespace;

/** Where a change belongs in the target, and what else it names. */
export class DdlNames {
  readonly #map: MapNamespace;

  constructor(map: MapNamespace | undefined) {
    this.#map = map ?? ((namespace) => namespace);
  }

  /** What the change is about. */
  of({ namespace }: Envelope): Namespace {
    return this.#map(namespace);
  }

  /**
   * Another collection that the change names by its name at the source. Of transforms only their result for the change
   * itself is known: where they gave its collection another name, it is undefined.
   */
  other({ event, namespace }: Envelope, { db, coll }: Namespace): Namespace | undefined {
    const own = event.namespace;
    if (namespace.coll !== own.coll) return undefined;
    if (namespace.db === own.db) return this.#map({ db, coll });
    return db === own.db ? this.#map({ db: namespace.db, coll }) : undefined;
  }

  /**
   * Whether other collections of the source (other databases, for a change of a database) go where this one goes: then
   * what happens to it must not happen there.
   */
  isShared({ namespace: { db, coll } }: Envelope): boolean {
    if (coll === '') return this.#map({ db, coll }).db === this.#map({ db: `${db}_other`, coll }).db;
    const [one, other] = [this.#map({ db, coll }), this.#map({ db, coll: `${coll}_other` })];
    return one.db === other.db && one.coll === other.coll;
  }
}
