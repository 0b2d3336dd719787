import type { TableLayout } from './columns/layout.ts';
import { quotePath } from './names.ts';

/** The table of a collection as it was when it was looked at. */
export interface TargetTable {
  /** By which the delete log knows it. */
  readonly id: number;
  readonly schema: string;
  readonly name: string;
  /** As it stands in statements. */
  readonly path: string;
  /** For messages. */
  readonly shown: string;
  readonly layout: TableLayout;
  /** What was added and does not yet have the values of the documents that were there before. */
  readonly unfilled: readonly Unfilled[];
  /** Another one for each change of the layout. */
  readonly revision: number;
}

/** A column of the table or of the child table of that name; without a column: all rows of the child table. */
export interface Unfilled {
  readonly child?: string | undefined;
  readonly column?: string | undefined;
}

/** What a table is called, and under which number. */
export type TableNames = Pick<TargetTable, 'id' | 'schema' | 'name' | 'path' | 'shown'>;

/** Names of the table for statements and messages. */
export function tableNames(id: number, schema: string, name: string): TableNames {
  return { id, schema, name, path: quotePath(schema, name), shown: `${schema}.${name}` };
}
