import type { Namespace } from '../../core/change-event.ts';
import type { Envelope } from '../../core/envelope.ts';
import { identifier } from './columns/identifier.ts';

const PLACEHOLDER = /\{(db|coll)\}/g;
/** More namespaces than this in one stream are not remembered at once. */
const MAX_REMEMBERED = 4096;

/** A table as the templates name it, before the names are made to fit. */
export interface WantedTable {
  readonly schema: string;
  readonly table: string;
}

/** Whether it is a text in which only `{db}` and `{coll}` stand in braces. */
export function isNameTemplate(text: string): boolean {
  return text !== '' && !/[{}\0]/.test(text.replace(PLACEHOLDER, ''));
}

/** The name as an identifier in a statement. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A table with its schema, as it stands in a statement. */
export function quotePath(schema: string, name: string): string {
  return `${quoteName(schema)}.${quoteName(name)}`;
}

/** The name of a schema, made to fit. Those that begin with `pg_` belong to the server. */
export function schemaName(wanted: string): string {
  const isReserved = /^pg_/i.test(wanted) || wanted === 'information_schema';
  return identifier(isReserved ? `_${wanted}` : wanted);
}

/** Which table the documents of a collection go to. */
export class TargetNames {
  readonly #schema: string;
  readonly #table: string;
  readonly #known = new Map<Namespace, WantedTable>();

  constructor(templates: { readonly schema: string; readonly table: string }) {
    this.#schema = templates.schema;
    this.#table = templates.table;
  }

  of(namespace: Namespace): WantedTable {
    let wanted = this.#known.get(namespace);
    if (wanted === undefined) {
      if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
      wanted = { schema: fill(this.#schema, namespace), table: fill(this.#table, namespace) };
      this.#known.set(namespace, wanted);
    }
    return wanted;
  }

  /**
   * Another collection that the event names by its name at the source, as a namespace of the target's templates. Of
   * transforms only their result for the event itself is known: where they gave its collection another name, it is
   * undefined.
   */
  other({ event, namespace }: Envelope, { db, coll }: Namespace): Namespace | undefined {
    const own = event.namespace;
    if (namespace.coll !== own.coll) return undefined;
    if (namespace.db === own.db) return { db, coll };
    return db === own.db ? { db: namespace.db, coll } : undefined;
  }
}

function fill(template: string, { db, coll }: Namespace): string {
  return template.replace(PLACEHOLDER, (_, name) => (name === 'db' ? db : coll));
}
