import { SluiceError } from '../../../core/failure.ts';
import type { ColumnType } from './column-types.ts';

/** The documents have a field that there is no column for, and the settings ask to stop then. */
export function newFieldError(table: string, path: string, types: readonly string[]): SluiceError {
  return new SluiceError(`table ${table}: the documents have a new field \`${path}\` (${types.join(', ')})`, {
    kind: 'config',
    code: 'postgres.new-field',
    hint: 'List the field under `columns.list` or exclude it under `columns.exclude`, or set `drift.newField` to add-column or keep, then start again.',
  });
}

/** Values do not fit their column, and the settings ask to stop then. */
export function typeChangeError(
  table: string,
  path: string,
  column: ColumnType,
  types: readonly string[],
): SluiceError {
  return new SluiceError(
    `table ${table}: values of the field \`${path}\` do not fit the type ${column} of its column; its types are now ${types.join(', ')}`,
    {
      kind: 'config',
      code: 'postgres.type-change',
      hint: 'Repair the documents, give the column another type under `columns.list`, or set `drift.typeChange` to widen, text or keep, then start again.',
    },
  );
}
