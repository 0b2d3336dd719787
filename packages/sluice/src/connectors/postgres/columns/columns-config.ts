import { z } from 'zod';
import { ELEMENTS, segmentsOf } from '../../../core/field-path.ts';
import { wholeNumber } from '../../../settings/scalars.ts';
import { COLUMN_TYPES } from './column-types.ts';
import { MOST_NAME_BYTES } from './identifier.ts';
import { RESERVED_COLUMNS } from './layout.ts';

/** A row has to fit a page of 8 kB, where a value that is kept outside of it, or too short for that, takes 24 bytes. */
const MOST_COLUMNS = 300;
const DEEPEST = 10;

const fieldPath = z.string().refine((path) => {
  const segments = segmentsOf(path);
  return segments.length > 0 && segments.join('.') === path && !segments.includes(ELEMENTS);
}, 'must be names with dots between them (a backslash before `.`, `[`, `]` and `\\` in a name), not into an array');

const collectionPattern = z
  .string()
  .regex(/^[^.\s]+\.\S+$/, 'must be "database.collection"; `*` stands for any characters, `?` for one');

const columnName = z
  .string()
  .min(1, 'must not be empty')
  .refine((name) => !name.includes('\0'), 'must not contain a NUL character')
  .refine((name) => Buffer.byteLength(name) <= MOST_NAME_BYTES, `must be at most ${MOST_NAME_BYTES} bytes long`)
  .refine((name) => !RESERVED_COLUMNS.has(name), 'is the name of a column that every table has');

const listedColumn = z.strictObject({
  path: fieldPath.describe('The field: names with dots between them, from the top of the document.'),
  name: columnName.optional().describe('Name of the column when it is made. Default: the path with `_` for the dots.'),
  type: z
    .enum(COLUMN_TYPES)
    .optional()
    .describe(
      'Type of the column; values that do not fit are NULL there, and never change it. A column that is there gets it when it is wider than its own. Default: by the types that were seen, and widened as `drift.typeChange` says.',
    ),
});

const list = z
  .array(listedColumn)
  .refine((columns) => new Set(columns.map(({ path }) => path)).size === columns.length, 'names a field twice')
  .refine((columns) => {
    const names = columns.flatMap(({ name }) => (name === undefined ? [] : [name]));
    return new Set(names).size === names.length;
  }, 'gives two columns the same name');

const from = z.enum(['learned', 'validator', 'listed', 'none']);
const depth = wholeNumber(1, DEEPEST);
const most = wholeNumber(0, MOST_COLUMNS);
const exclude = z.array(z.string().min(1, 'must not be empty'));

const FROM =
  'Which fields get columns besides those of `list`: `learned` (those that were seen or that the validator of the collection names), `validator` (those that the validator names), `listed` (no others), `none` (no columns at all).';
const DEPTH =
  'How many names a path has at most: 1 for the fields of the document itself, 2 for those of embedded documents too (`address_city`), and so on. Fields of `list` may be deeper.';
const MOST = 'Most promoted columns of one table; fields beyond that stay in `document` only.';
const LIST = 'Fields that get columns in any case, with names and types where they are to be others.';
const EXCLUDE =
  'Fields that get no columns, as paths; `*` stands for any characters, `?` for one. What is below them is left out too. They stay in `document`; to leave them out there, use a transform. Fields of `list` get their columns all the same.';

const override = z.strictObject({
  collection: collectionPattern.describe('Collections that this is for: `shop.orders`, `shop.*`.'),
  from: from.optional().describe('As `columns.from`.'),
  depth: depth.optional().describe('As `columns.depth`.'),
  most: most.optional().describe('As `columns.most`.'),
  list: list.optional().describe('As `columns.list`, in its place.'),
  exclude: exclude.optional().describe('As `columns.exclude`, in its place.'),
});

/** The section `columns`. */
export const columnsSection = z
  .strictObject({
    from: from.default('learned').describe(FROM),
    depth: depth.default(1).describe(DEPTH),
    most: most.default(200).describe(MOST),
    list: list.default([]).describe(LIST),
    exclude: exclude.default([]).describe(EXCLUDE),
    collections: z
      .array(override)
      .default([])
      .describe('Other settings for some collections; the first entry that matches counts.'),
  })
  .refine((columns) => columns.from !== 'none' || columns.list.length === 0, {
    path: ['list'],
    message: 'has columns, but `from` is none; write `from: listed`',
  })
  .prefault({})
  .describe('Columns with the values of single fields, beside the whole document in `document`.');

const childTable = z.strictObject({
  collection: collectionPattern.describe('Collections that this is for: `shop.orders`, `shop.*`.'),
  path: fieldPath.describe('The array: names with dots between them.'),
  table: columnName
    .optional()
    .describe('Name of the table when it is made. Default: the name of the table and the path, joined by `_`.'),
  from: from.optional().describe('As `columns.from`, for the fields of the elements.'),
  depth: depth.optional().describe('As `columns.depth`, from the element on.'),
  most: most.optional().describe('As `columns.most`.'),
  list: list.optional().describe('As `columns.list`, with paths from the element on. Default: none.'),
  exclude: exclude.optional().describe('As `columns.exclude`, with paths from the element on. Default: none.'),
});

/** The section `childTables`. */
export const childTablesSection = z
  .array(childTable)
  .refine(
    (tables) => new Set(tables.map(({ collection, path }) => `${collection}\0${path}`)).size === tables.length,
    'names an array twice',
  )
  .default([])
  .describe(
    'Tables with a row for each element of an array: `_parent`, `_index`, `document` and columns. Arrays inside of the elements stay in `document`.',
  );

/** The section `drift`. */
export const driftSection = z
  .strictObject({
    newField: z
      .enum(['add-column', 'keep', 'stop'])
      .default('add-column')
      .describe(
        'When a field shows up that the table has no column for: `add-column`, `keep` it in `document` only, or `stop` the pipeline.',
      ),
    typeChange: z
      .enum(['widen', 'text', 'keep', 'stop'])
      .default('widen')
      .describe(
        'When values do not fit the type of their column: `widen` the column where it keeps its meaning (`bigint` and `double precision` to `numeric`, `uuid` to `bytea`), with values of another kind in `document` only; `text`: the same, but the column becomes a text for values of another kind; `keep` all of them in `document` only (NULL in the column); or `stop` the pipeline. Widening rewrites the table while nobody else reads or writes it.',
      ),
  })
  .prefault({})
  .describe('What happens when documents change after their table was made.');

/** The sections that say which columns tables have; to be spread into the sink's own. */
export const columnsConfig = {
  columns: columnsSection,
  childTables: childTablesSection,
  drift: driftSection,
} as const;

/** The validated settings. */
export interface ColumnsConfig {
  readonly columns: z.infer<typeof columnsSection>;
  readonly childTables: z.infer<typeof childTablesSection>;
  readonly drift: z.infer<typeof driftSection>;
}
