import { BsonType, cstringEnd, documentEnd, valueEnd } from '../../../bson/elements.ts';
import { malformedBson } from '../../../bson/malformed.ts';
import { ColumnText, type TextOptions } from './column-text.ts';
import type { ColumnType, TableLayout } from './layout.ts';
import { type Misfit, MisfitCounter } from './misfits.ts';
import { HASH_START, hashByte, type NameEntry, NameLevel } from './name-trie.ts';

/** How a reader writes the values. */
export type RowReaderOptions = TextOptions;

/** The rows of one child table: one for each element of the array, in their order. */
export interface ChildRows {
  /** The elements as JSON, as they are in `document`. */
  readonly documents: readonly Buffer[];
  /** For each element the values in the order of the columns of the child table. */
  readonly values: readonly (readonly (string | null)[])[];
}

/** The promoted values of one document. */
export interface Row {
  /** As input of the types of the columns, in the order of the layout; null for SQL's NULL. */
  readonly values: readonly (string | null)[];
  /** In the order of the layout's child tables. */
  readonly children: readonly ChildRows[];
}

const NO_ROWS: ChildRows = { documents: [], values: [] };

/** The columns of one table, as arrays by their index. */
interface TableParts {
  /** A row without values, to be copied. */
  readonly blank: readonly (string | null)[];
  readonly types: readonly ColumnType[];
  readonly misfits: readonly MisfitCounter[];
}

interface ChildParts extends TableParts {
  readonly level: NameLevel;
  readonly misfit: MisfitCounter;
}

/**
 * Reads the values of promoted columns straight from BSON, in one pass over the document. Values that do not fit their
 * column are NULL in it, and counted. Of several fields of one name the last counts, as in `jsonb`. Not for use by two
 * at a time.
 */
export class RowReader {
  readonly #text: ColumnText;
  readonly #level: NameLevel;
  readonly #main: TableParts;
  readonly #children: readonly ChildParts[];
  #source: Buffer = Buffer.alloc(0);
  #rows: ChildRows[] = [];
  /** Another one for each document and element, by which a second field of a name is known. */
  #visit = 0;

  constructor(layout: TableLayout, options: RowReaderOptions) {
    this.#text = new ColumnText(options);
    this.#main = tableParts(undefined, layout.columns);
    this.#level = new NameLevel();
    for (const [at, { path }] of layout.columns.entries()) this.#level.add(path).column = at;
    for (const [at, { path }] of layout.children.entries()) this.#level.add(path).child = at;
    this.#level.seal();
    this.#children = layout.children.map(({ path, columns }) => {
      const level = new NameLevel();
      for (const [at, column] of columns.entries()) level.add(column.path).column = at;
      level.seal();
      return { ...tableParts(path, columns), level, misfit: new MisfitCounter(path, undefined) };
    });
  }

  /**
   * The values of one document. Throws `rejected` errors (`bson.malformed`, `bson.invalid-utf8`, `bson.nul-character`,
   * `bson.too-deep`).
   */
  read(document: Buffer): Row {
    this.#source = document;
    this.#rows = this.#children.length === 0 ? [] : this.#children.map(() => NO_ROWS);
    const values = this.#main.blank.slice();
    this.#document(this.#level, this.#main, 0, document.length, values, ++this.#visit);
    return { values, children: this.#rows };
  }

  /** The values that did not fit since the last call; none most of the time. Cheap. */
  misfits(): readonly Misfit[] {
    const counters = [...this.#main.misfits, ...this.#children.flatMap(({ misfit, misfits }) => [misfit, ...misfits])];
    return counters.flatMap((counter) => counter.take() ?? []);
  }

  /** Reads the document at `start`; returns where it ends. */
  #document(
    level: NameLevel,
    table: TableParts,
    start: number,
    limit: number,
    values: (string | null)[],
    visit: number,
  ): number {
    const source = this.#source;
    const end = documentEnd(source, start, limit);
    const last = end - 1;
    let guess = level.first;
    let before: NameEntry | undefined;
    let at = start + 4;
    while (at < last) {
      const type = source[at]!;
      let nameEnd = ++at;
      let entry: NameEntry | undefined;
      if (guess !== undefined && guess.isAt(source, at)) {
        entry = guess;
        nameEnd = at + guess.length;
      } else {
        let hash = HASH_START;
        for (let byte = source[nameEnd]!; byte !== 0 && nameEnd < last; byte = source[++nameEnd]!)
          hash = hashByte(hash, byte);
        entry = level.find(hash, source, at, nameEnd);
      }
      if (nameEnd >= last) throw malformedBson('a name has no end');
      at = valueEnd(source, type, nameEnd + 1, last);
      if (entry === undefined) continue;
      // Documents of one collection have their fields mostly in the same order.
      if (before !== undefined) before.next = entry;
      before = entry;
      guess = entry.next;
      if (entry.column >= 0) this.#value(table, entry.column, type, nameEnd + 1, at, values);
      if (entry.isInner) this.#inner(entry, table, type, nameEnd + 1, at, values, visit);
    }
    return end;
  }

  #value(table: TableParts, column: number, type: number, at: number, end: number, values: (string | null)[]): void {
    const text = this.#text.of(table.types[column]!, type, this.#source, at, end);
    values[column] = text ?? null;
    if (text === undefined) table.misfits[column]!.note(type);
  }

  /** What is wanted of the inside of a value. */
  #inner(
    entry: NameEntry,
    table: TableParts,
    type: number,
    at: number,
    end: number,
    values: (string | null)[],
    visit: number,
  ): void {
    const { level, child } = entry;
    if (entry.visit === visit) this.#forget(entry, values);
    entry.visit = visit;
    if (child >= 0) this.#elements(child, type, at, end);
    if (level === undefined) return;
    if (type === BsonType.document || (type === BsonType.array && level.hasIndexes)) {
      this.#document(level, table, at, end, values, visit);
    }
  }

  /** The field came before in this document: only its last value counts. */
  #forget({ level, child }: NameEntry, values: (string | null)[]): void {
    if (child >= 0) this.#rows[child] = NO_ROWS;
    for (const entry of level?.entries ?? []) {
      if (entry.column >= 0) values[entry.column] = null;
      this.#forget(entry, values);
    }
  }

  #elements(child: number, type: number, arrayAt: number, limit: number): void {
    const table = this.#children[child]!;
    if (type !== BsonType.array) {
      if (type !== BsonType.null && type !== BsonType.undefined) table.misfit.note(type);
      return;
    }
    const source = this.#source;
    const last = documentEnd(source, arrayAt, limit) - 1;
    const documents: Buffer[] = [];
    const rows: (string | null)[][] = [];
    for (let at = arrayAt + 4; at < last; ) {
      const elementType = source[at]!;
      const start = cstringEnd(source, at + 1, last) + 1;
      const end = valueEnd(source, elementType, start, last);
      const values = table.blank.slice();
      documents.push(this.#text.jsonBytes(elementType, source, start, end));
      if (elementType === BsonType.document) this.#document(table.level, table, start, end, values, ++this.#visit);
      rows.push(values);
      at = end;
    }
    this.#rows[child] = { documents, values: rows };
  }
}

function tableParts(child: string | undefined, columns: TableLayout['columns']): TableParts {
  return {
    blank: columns.map(() => null),
    types: columns.map(({ type }) => type),
    misfits: columns.map((column) => new MisfitCounter(child, column)),
  };
}
