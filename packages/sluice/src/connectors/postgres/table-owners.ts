import { formatNamespace, type Namespace } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Session } from './client.ts';
import type { StateTables } from './state-tables.ts';
import type { TargetTable } from './tables.ts';

/**
 * Whose documents are in which table, noted in `tables` when a collection is first seen. A table belongs to one collection of
 * the source: ids are unique in a collection only, so of two documents with one id each would overwrite the other and take
 * it along when it is deleted; and what a copy or a drop shows to be gone is deleted from the whole table.
 */
export class TableOwners {
  readonly #tables: string;
  /** What was found, which never changes: by table and collection. */
  readonly #own = new Set<string>();

  constructor({ tables }: StateTables) {
    this.#tables = tables;
  }

  /**
   * Notes that the documents of the collection (`source`: as the source names it) go to the table. Cheap when that is known.
   * Throws `config` (`postgres.shared-table`) when the table has those of another one.
   */
  async claim(session: Session, table: TargetTable, source: Namespace, signal: AbortSignal): Promise<void> {
    const owner = await this.take(session, table, source, signal);
    if (owner !== formatNamespace(source)) throw sharedTable(table, owner, source, this.#tables);
  }

  /** As `claim`, but resolves with the name of the collection that has the table. */
  async take(session: Session, table: TargetTable, source: Namespace, signal: AbortSignal): Promise<string> {
    const name = formatNamespace(source);
    const key = `${table.id}\0${name}`;
    if (this.#own.has(key)) return name;
    const doing = `note that ${table.shown} is the table of ${name}`;
    const run = (text: string, values: readonly (string | number)[]) =>
      session.run('state', doing, { text, values }, signal);
    const look = async () => (await run(`select source from ${this.#tables} where id = $1`, [table.id])).rows[0];
    let found = await look();
    if (found?.['source'] === null) {
      await run(`update ${this.#tables} set source = $2 where id = $1 and source is null`, [table.id, name]);
      found = await look();
    }
    if (found === undefined) throw unknownTable(table, this.#tables);
    const owner = String(found['source']);
    if (owner === name) this.#own.add(key);
    return owner;
  }
}

function sharedTable(table: TargetTable, owner: string, source: Namespace, tables: string): SluiceError {
  return new SluiceError(
    `documents of ${formatNamespace(source)} would go to the table ${table.shown}, which has those of ${owner}`,
    {
      kind: 'config',
      code: 'postgres.shared-table',
      hint:
        'Let `schema` and `table` hold `{db}` and `{coll}`, so that each collection has a table of its own, and put several of them together with a view. ' +
        `If ${owner} is gone for good, or has this name now, drop the table and its row in ${tables}, then copy the collection.`,
    },
  );
}

function unknownTable({ shown }: TargetTable, tables: string): SluiceError {
  return new SluiceError(`the table ${shown} is no longer known in ${tables}`, {
    kind: 'transient',
    code: 'postgres.table-changed',
    hint: 'Its row was deleted while Sluice was running. It is registered again.',
  });
}
