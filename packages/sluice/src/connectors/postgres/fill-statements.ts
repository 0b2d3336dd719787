import type { ChildTable, Column } from './columns/layout.ts';
import { documentValue } from './document-value.ts';
import { quoteName, quotePath } from './names.ts';
import type { TargetTable, Unfilled } from './target-table.ts';

/** The last id of a page: `$1` where it begins, `$2` how many rows it has at most. */
export function pageEnd({ path }: Pick<TargetTable, 'path'>): string {
  return `select max(_id) as last from (
    select _id from ${path} where _id > $1 collate "C" order by _id limit $2::int) as page`;
}

/**
 * Statements that give the rows behind the id `$1` and up to `$2` what is in their documents. They only change what is
 * empty and would get a value, and rows that are written at the same time are filled from what they have then. Columns
 * that are no longer there are left out. `isBinary` tells fields that only have binary data.
 */
export function fillStatements(
  { schema, path, layout, unfilled }: TargetTable,
  isBinary: (child: string | undefined, column: Column) => boolean,
): readonly string[] {
  const named = new Set(unfilled.map(({ child, column }) => `${child ?? ''}\0${column ?? ''}`));
  const has = ({ child, column }: Unfilled) => named.has(`${child ?? ''}\0${column ?? ''}`);
  const value = (child: string | undefined) => (column: Column) =>
    [quoteName(column.name), documentValue(column.path, column.type, isBinary(child, column))] as const;
  const own = layout.columns.filter(({ name }) => has({ column: name })).map(value(undefined));
  const statements = own.length === 0 ? [] : [fillColumns(path, '_id', own)];
  for (const child of layout.children) {
    if (has({ child: child.name })) {
      statements.push(fillRows(path, schema, child, child.columns.map(value(child.name))));
      continue;
    }
    const inChild = child.columns.filter(({ name }) => has({ child: child.name, column: name })).map(value(child.name));
    if (inChild.length > 0) statements.push(fillColumns(quotePath(schema, child.name), '_parent', inChild));
  }
  return statements;
}

type Values = readonly (readonly [column: string, value: string])[];

function fillColumns(path: string, key: string, values: Values): string {
  return `update ${path} set ${values.map(([column, value]) => `${column} = coalesce(${column}, ${value})`).join(', ')}
    where ${key} > $1 collate "C" and ${key} <= $2 collate "C"
    and (${values.map(([column, value]) => `(${column} is null and (${value}) is not null)`).join(' or ')})`;
}

/** The parents are locked, in the order in which who writes them does: their rows are then those of that document. */
function fillRows(path: string, schema: string, child: ChildTable, values: Values): string {
  const array = documentValue(child.path, 'jsonb');
  return `with parents as materialized (
      select _id, ${array} as items from ${path} where _id > $1 collate "C" and _id <= $2 collate "C"
      and jsonb_typeof(${array}) = 'array' order by _id for update)
    insert into ${quotePath(schema, child.name)} (${['_parent', '_index', 'document', ...values.map(([column]) => column)].join(', ')})
    select ${['parent', 'index', 'document', ...values.map(([, value]) => value)].join(', ')}
    from (select p._id as parent, (e.number - 1)::int as index, e.document
      from parents p, jsonb_array_elements(p.items) with ordinality as e (document, number)) as elements
    on conflict do nothing`;
}
