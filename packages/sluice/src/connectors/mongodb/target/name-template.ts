import { formatNamespace, type Namespace } from '../../../core/change-event.ts';

const PLACEHOLDER = /\{(db|coll)\}/g;
/** What no name of a database or collection has, and braces that are no placeholder. */
const IMPOSSIBLE = /[{}$\0]/;
/** More namespaces than this in one stream are not remembered at once. */
const MAX_REMEMBERED = 4096;

/** A collection of the target. */
export interface TargetCollection extends Namespace {
  /** `db.coll`. */
  readonly name: string;
}

/** Whether it is a text in which only `{db}` and `{coll}` stand in braces. */
export function isNameTemplate(text: string): boolean {
  return text !== '' && !IMPOSSIBLE.test(text.replace(PLACEHOLDER, ''));
}

/** Where documents of a namespace go. */
export class TargetNames {
  readonly #database: string;
  readonly #collection: string;
  readonly #known = new Map<Namespace, TargetCollection>();

  constructor(templates: { readonly database: string; readonly collection: string }) {
    this.#database = templates.database;
    this.#collection = templates.collection;
  }

  /** `coll` is empty for the namespace of a whole database. */
  of(namespace: Namespace): TargetCollection {
    let target = this.#known.get(namespace);
    if (target === undefined) {
      if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
      target = this.#make(namespace);
      this.#known.set(namespace, target);
    }
    return target;
  }

  #make(namespace: Namespace): TargetCollection {
    const db = fill(this.#database, namespace);
    const coll = namespace.coll === '' ? '' : fill(this.#collection, namespace);
    return { db, coll, name: formatNamespace({ db, coll }) };
  }
}

function fill(template: string, { db, coll }: Namespace): string {
  return template.replace(PLACEHOLDER, (_, name) => (name === 'db' ? db : coll));
}
