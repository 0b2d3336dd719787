import { BsonType } from '../../../bson/elements.ts';
import { TYPE_NAMES } from '../../../bson/type-names.ts';
import type { FieldPath } from '../../../core/field-path.ts';
import { type ColumnType, isSameKind, scalarColumnType, widerType } from './column-types.ts';
import type { Column } from './layout.ts';

/** Values that did not fit their column: they are NULL there and stay in `document`. */
export interface Misfit {
  /** Path of the array when the column is one of a child table, else undefined. */
  readonly child: FieldPath | undefined;
  /** Path of the column; in a child table from the element on. Empty: the array itself, which is none. */
  readonly path: FieldPath;
  /** Types of the values, as `$type` calls them. */
  readonly types: readonly string[];
  readonly count: number;
  /** The narrowest type of column that takes them; undefined when no other would, so that there is nothing to plan. */
  readonly wants: ColumnType | undefined;
  /**
   * The narrowest type of the same kind that takes those of them that are of the kind of the column; undefined when no
   * value is, or none would be helped.
   */
  readonly within?: ColumnType | undefined;
}

/** Counts the values that did not fit one column. */
export class MisfitCounter {
  readonly #child: FieldPath | undefined;
  readonly #path: FieldPath;
  readonly #type: ColumnType | undefined;
  readonly #types = new Set<number>();
  #count = 0;

  /** Without a column: of the array of a child table. */
  constructor(child: FieldPath | undefined, column: Column | undefined) {
    this.#child = child;
    this.#path = column?.path ?? '';
    this.#type = column?.type;
  }

  /** Notes a value of this type, by its byte. */
  note(type: number): void {
    this.#count++;
    this.#types.add(type);
  }

  /** What was noted since the last time; undefined when nothing was. */
  take(): Misfit | undefined {
    if (this.#count === 0) return undefined;
    const types = [...this.#types].map((type) => TYPE_NAMES.get(type) ?? 'unknown');
    const [wants, within] = [this.#wants(() => true), this.#wants(isSameKind)];
    const misfit = { child: this.#child, path: this.#path, types, count: this.#count, wants, within };
    this.#types.clear();
    this.#count = 0;
    return misfit;
  }

  #wants(counts: (column: ColumnType, other: ColumnType) => boolean): ColumnType | undefined {
    if (this.#type === undefined) return undefined;
    let wanted = this.#type;
    for (const type of this.#types) {
      const other = type === BsonType.binary ? 'bytea' : scalarColumnType([TYPE_NAMES.get(type) ?? '']);
      if (other !== undefined && counts(this.#type, other)) wanted = widerType(wanted, other);
    }
    return wanted === this.#type ? undefined : wanted;
  }
}
