import { asBuffer } from '../../bson/elements.ts';
import type { Namespace } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';
import type { LearnedField, LearnedFields } from '../../core/learned-fields.ts';
import type { Logger } from '../../core/logger.ts';
import type { Rejection } from '../../core/sink.ts';
import type { Session } from './client.ts';
import { type Change, type CollectionChanges, collectionKey } from './collapse.ts';
import type { Misfit } from './columns/misfits.ts';
import { RowReader } from './columns/row-reader.ts';
import type { TargetNames } from './names.ts';
import type { StateTables } from './state-tables.ts';
import { type TableStatements, tableStatements } from './statements.ts';
import { TableOwners } from './table-owners.ts';
import type { Tables, TargetTable } from './tables.ts';
import type { TableRows, TargetRow } from './write-table.ts';

/** What rows are made with. */
export interface CollectionsParts {
  readonly tables: Tables;
  readonly names: TargetNames;
  readonly state: StateTables;
  readonly learned: LearnedFields | undefined;
  readonly logger: Logger;
}

/** What is kept of a table between batches. */
interface Known {
  readonly table: TargetTable;
  readonly statements: TableStatements;
  readonly reader: RowReader;
  /** Of what was learned when the table was laid out. */
  readonly learnedRevision: number | undefined;
}

/** Rows, and what has none. */
export interface MadeRows extends TableRows {
  readonly rejections: readonly Rejection[];
}

/** The version from which on `numeric` has infinities. */
const NUMERIC_INFINITY = 14;

/** Makes rows of documents, and sees to it that the tables have the columns for them. */
export class Collections {
  readonly #parts: CollectionsParts;
  readonly #known = new Map<string, Known>();
  readonly #validators = new Map<string, readonly LearnedField[]>();
  readonly #told = new Set<string>();
  readonly #owners: TableOwners;
  /** Lanes lay out tables one after the other: the server would have them wait too. */
  #layingOut: Promise<unknown> = Promise.resolve();

  constructor(parts: CollectionsParts) {
    this.#parts = parts;
    this.#owners = new TableOwners(parts.state);
  }

  /** The rows of the changes. The table is made, and changed to take them, where that is wanted. */
  async rowsOf(session: Session, collection: CollectionChanges, signal: AbortSignal): Promise<MadeRows> {
    const known = await this.#upToDate(session, collection, signal);
    await this.#parts.tables.fill(session, known.table.id, signal);
    const made = this.#make(known, collection);
    // What was told is what no change of the columns has helped.
    const wider = made.misfits.filter(
      (misfit) => misfit.wants !== undefined && !this.#told.has(misfitKey(known.table, misfit)),
    );
    if (wider.length > 0) {
      const { table } = known;
      const widened = await this.#layOut(session, collection, { misfits: wider }, signal);
      if (widened.table.revision !== table.revision) return this.#make(widened, collection);
    }
    this.#tell(known.table, made.misfits);
    return made;
  }

  /** The next rows of the table are made by what the server says of it then. */
  forget(namespace: Namespace): void {
    const { schema, table } = this.#parts.names.of(namespace);
    const own = `${schema}\0${table}\0`;
    for (const key of this.#known.keys()) if (key.startsWith(own)) this.#known.delete(key);
  }

  /** Takes in what the validator of a collection says. */
  async useValidator(
    session: Session,
    collection: Pick<CollectionChanges, 'namespace' | 'source'>,
    fields: readonly LearnedField[],
    signal: AbortSignal,
  ): Promise<void> {
    this.#validators.set(collectionKey(this.#parts.names, collection), fields);
    await this.#layOut(session, collection, {}, signal);
  }

  async #upToDate(
    session: Session,
    collection: Pick<CollectionChanges, 'namespace' | 'source'>,
    signal: AbortSignal,
  ): Promise<Known> {
    const known = this.#known.get(collectionKey(this.#parts.names, collection));
    const revision = this.#parts.learned?.of(collection.source)?.revision;
    const isFresh = known?.learnedRevision === revision && !this.#parts.tables.isDue(known?.table.id ?? 0);
    if (known !== undefined && isFresh) return known;
    return await this.#layOut(session, collection, {}, signal);
  }

  async #layOut(
    session: Session,
    { namespace, source }: Pick<CollectionChanges, 'namespace' | 'source'>,
    { misfits }: { readonly misfits?: readonly Misfit[] },
    signal: AbortSignal,
  ): Promise<Known> {
    const key = collectionKey(this.#parts.names, { namespace, source });
    const work = this.#layingOut.then(async () => {
      const learned = this.#parts.learned?.of(source);
      const fields = { learned: learned?.fields, validator: this.#validators.get(key), misfits };
      const table = await this.#parts.tables.layOut(session, namespace, fields, signal);
      await this.#owners.claim(session, table, source, signal);
      const known: Known = {
        table,
        statements: tableStatements(table, this.#parts.state),
        reader: this.#readerOf(table, session),
        learnedRevision: learned?.revision,
      };
      this.#known.set(key, known);
      return known;
    });
    this.#layingOut = work.catch(() => {});
    return await work;
  }

  #readerOf({ layout }: TargetTable, { majorVersion }: Session): RowReader {
    const numericInfinity = majorVersion >= NUMERIC_INFINITY;
    return new RowReader(layout, { nonFinite: 'text', decimals: 'number', nul: 'strip', numericInfinity });
  }

  #make({ table, statements, reader }: Known, { changes }: CollectionChanges): MadeRows & MadeMisfits {
    const rows: TargetRow[] = [];
    const rejections: Rejection[] = [];
    for (const change of changes.values()) {
      try {
        rows.push(this.#row(change, reader, table));
      } catch (error) {
        if (!(error instanceof SluiceError) || error.kind !== 'rejected') throw error;
        rejections.push({ envelope: change.envelope, error });
      }
    }
    rows.sort((a, b) => (a.change.id < b.change.id ? -1 : 1));
    return { table, statements, rows, rejections, misfits: reader.misfits() };
  }

  #row(change: Change, reader: RowReader, { layout: { columns, children } }: TargetTable): TargetRow {
    const { document } = change;
    if (document === undefined || (columns.length === 0 && children.length === 0)) {
      return { change, values: [], children: [] };
    }
    return { change, ...reader.read(asBuffer(document)) };
  }

  #tell(table: TargetTable, misfits: readonly Misfit[]): void {
    for (const misfit of misfits) {
      const fields = { table: table.shown, field: fieldOf(misfit), types: misfit.types };
      const message = 'values that do not fit the column of their field are NULL in it and stay in `document`';
      this.#tellOnce(misfitKey(table, misfit), fields, message);
    }
  }

  #tellOnce(key: string, fields: object, message: string): void {
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#parts.logger.warn(fields, message);
  }
}

function misfitKey({ id }: TargetTable, misfit: Misfit): string {
  return `misfit\0${id}\0${fieldOf(misfit)}\0${misfit.wants ?? ''}`;
}

function fieldOf({ child, path }: Misfit): string {
  return child === undefined ? path : `${child}[]${path === '' ? '' : `.${path}`}`;
}

interface MadeMisfits {
  readonly misfits: readonly Misfit[];
}
