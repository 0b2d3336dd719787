import type { SluiceError } from '../../../core/failure.ts';
import { type FieldPath, segmentName, segmentsOf } from '../../../core/field-path.ts';
import type { ColumnType } from './column-types.ts';
import { newFieldError, typeChangeError } from './drift-errors.ts';
import { identifier } from './identifier.ts';
import { typeChange } from './type-change.ts';

export type { ColumnType } from './column-types.ts';

/** A column with the values of one field. */
export interface Column {
  readonly name: string;
  /** In a child table from the element on. */
  readonly path: FieldPath;
  readonly type: ColumnType;
}

/** A table with a row for each element of an array. */
export interface ChildTable {
  readonly name: string;
  /** Of the array. */
  readonly path: FieldPath;
  readonly columns: readonly Column[];
}

/** The promoted columns of the table of a collection, and its child tables. */
export interface TableLayout {
  readonly columns: readonly Column[];
  readonly children: readonly ChildTable[];
}

/** What has to be done to a table. Where `child` is not undefined it is about the child table of that name. */
export type LayoutStep =
  | { readonly kind: 'add-column'; readonly child: string | undefined; readonly column: Column }
  | {
      readonly kind: 'widen';
      readonly child: string | undefined;
      /** As it is afterwards. */
      readonly column: Column;
      readonly from: ColumnType;
      readonly to: ColumnType;
    }
  | { readonly kind: 'add-child-table'; readonly table: ChildTable };

/** What is done about changes of the documents after a table was laid out. */
export interface DriftRules {
  readonly newField: 'add-column' | 'keep' | 'stop';
  /**
   * About a column whose values are no longer all of its type: `widen` it where what is in it keeps its meaning, and leave
   * values of another kind in the document; `text`: that too, and make a text of it for values of another kind; `keep`
   * all of them in the document; or `stop`.
   */
  readonly typeChange: 'widen' | 'text' | 'keep' | 'stop';
}

/** A column that somebody wants. */
export interface WantedColumn {
  readonly path: FieldPath;
  readonly type: ColumnType;
  /** Types of its values, as `$type` calls them; for messages. */
  readonly types: readonly string[];
  /** Its name when it is made; undefined for one made of the path. */
  readonly name?: string | undefined;
  /** Asked for by name: never refused as a new field. */
  readonly listed: boolean;
  /** True when the type is asked for by name: values never change it, only another setting does. */
  readonly fixed: boolean;
  /** A wider type of the same kind that values want which did not fit the column as it is. */
  readonly within?: ColumnType | undefined;
  /** True when nothing is known of the values: the type is only for a column that is to be made. */
  readonly isGuess?: boolean | undefined;
}

/** A child table that somebody wants. */
export interface WantedChild {
  readonly path: FieldPath;
  readonly name?: string | undefined;
  readonly columns: readonly WantedColumn[];
  /** Most promoted columns of it; undefined: as of the table itself. */
  readonly most?: number | undefined;
}

/**
 * Why a field has no column, or not one that holds all of its values: `container`: only documents or arrays were seen ·
 * `map`: its name, or one on the way, is data and not part of a schema, or too long · `excluded`: by the settings ·
 * `unseen`: listed, but no value was seen that would tell its type · `most`: there are columns enough · `new-field`,
 * `type-change`: as `drift` asks for · `listed-type`: the type that is asked for by name is not wider than that of the
 * column, which stays as it is.
 */
export type KeptReason =
  | 'container'
  | 'map'
  | 'excluded'
  | 'unseen'
  | 'most'
  | 'new-field'
  | 'type-change'
  | 'listed-type';

/** A field whose values are in the document only. */
export interface KeptField {
  /** From the top of the document. */
  readonly path: FieldPath;
  readonly types: readonly string[];
  readonly why: KeptReason;
}

/** What somebody wants of a table. */
export interface WantedLayout {
  /** Name of the table; child tables are called after it. */
  readonly table: string;
  readonly columns: readonly WantedColumn[];
  readonly children: readonly WantedChild[];
  /** Fields that were seen and that nobody wants as columns. */
  readonly kept: readonly KeptField[];
  readonly drift: DriftRules;
  /** Most promoted columns of the table itself. */
  readonly most: number;
  /**
   * Names of all columns that are there, by the names of the tables (its own and those of its child tables), so that a
   * new column does not become one with somebody else's. Those of the layout may be among them.
   */
  readonly takenColumns?: ReadonlyMap<string, ReadonlySet<string>> | undefined;
}

/** How a table comes to be as it is wanted. */
export interface LayoutPlan {
  /** As it is after the steps. */
  readonly layout: TableLayout;
  /** In the order in which they are to be done; none when the table is already so. */
  readonly steps: readonly LayoutStep[];
  /** Fields that stay in the document only. */
  readonly kept: readonly KeptField[];
  /** Why the pipeline has to stop, when it was asked to; then there are no steps. */
  readonly stop?: SluiceError | undefined;
}

/** Names that are taken in tables of collections, in child tables, and by PostgreSQL itself. */
export const RESERVED_COLUMNS: ReadonlySet<string> = new Set(
  '_id document _ts _ord _parent _index ctid xmin xmax cmin cmax oid tableoid'.split(' '),
);

/** No promoted columns. */
export const EMPTY_LAYOUT: TableLayout = { columns: [], children: [] };

/**
 * What is to be done so that the table `current` (undefined: one that is to be made) gets what is wanted. Nothing is
 * ever dropped, narrowed or renamed: a column that nobody wants any more stays and is filled, and one that is there
 * keeps its name. A column becomes one of another kind (a text, a `jsonb`) only where a setting says so. `isTaken` says
 * which names of tables are not free for child tables.
 */
export function planLayout(
  current: TableLayout | undefined,
  wanted: WantedLayout,
  isTaken: (name: string) => boolean = () => false,
): LayoutPlan {
  const { table, drift, most, takenColumns } = wanted;
  const taken = takenColumns?.get(table);
  const main = planColumns({ ...wanted, current: current?.columns, child: undefined, below: '', taken });
  const parts = [main];
  const children: ChildTable[] = [...(current?.children ?? [])];
  const steps: LayoutStep[] = [...main.steps];
  for (const child of wanted.children) {
    const at = children.findIndex(({ path }) => path === child.path);
    const known = children[at];
    const name = known?.name ?? childName(table, child, (text) => isTaken(text) || hasName(children, text));
    const below = `${child.path}[].`;
    const part = planColumns({
      ...child,
      most: child.most ?? most,
      table,
      drift,
      current: known?.columns,
      child: name,
      below,
      taken: takenColumns?.get(name),
    });
    parts.push(part);
    const planned = { name, path: child.path, columns: part.columns };
    if (known === undefined) steps.push({ kind: 'add-child-table', table: planned });
    else steps.push(...part.steps);
    children.splice(known === undefined ? children.length : at, 1, planned);
  }
  const kept = [...wanted.kept, ...parts.flatMap((part) => part.kept)];
  const stop = parts.find((part) => part.stop !== undefined)?.stop;
  if (stop !== undefined) return { layout: current ?? EMPTY_LAYOUT, steps: [], kept, stop };
  return { layout: { columns: main.columns, children }, steps, kept };
}

interface TablePart {
  /** The table of the collection, for messages. */
  readonly table: string;
  /** Undefined when the table is new. */
  readonly current: readonly Column[] | undefined;
  readonly columns: readonly WantedColumn[];
  readonly drift: DriftRules;
  readonly most: number;
  readonly child: string | undefined;
  /** What comes before the paths when they are shown. */
  readonly below: string;
  /** Names of columns that are there, whoever made them. */
  readonly taken: ReadonlySet<string> | undefined;
}

interface PartPlan {
  readonly columns: readonly Column[];
  readonly steps: readonly LayoutStep[];
  readonly kept: readonly KeptField[];
  readonly stop: SluiceError | undefined;
}

function planColumns(part: TablePart): PartPlan {
  const columns = [...(part.current ?? [])];
  const plan = { columns, steps: [] as LayoutStep[], kept: [] as KeptField[], stop: undefined as StopReason };
  // What was asked for by name comes before the rest when there is not room for all.
  for (const want of part.columns.toSorted((a, b) => Number(b.listed) - Number(a.listed))) {
    const at = columns.findIndex((column) => column.path === want.path);
    const known = columns[at];
    const next = known === undefined ? addition(part, want, columns) : change(part, want, known);
    plan.stop ??= next.stop;
    if (next.why !== undefined) plan.kept.push({ path: part.below + want.path, types: want.types, why: next.why });
    if (next.step === undefined) continue;
    plan.steps.push(next.step);
    columns[known === undefined ? columns.length : at] = next.step.column;
  }
  return plan;
}

type StopReason = SluiceError | undefined;

/** What is done about one wanted column, or why nothing is; neither when it is there already. */
interface Decision {
  readonly step?: Exclude<LayoutStep, { kind: 'add-child-table' }>;
  readonly why?: KeptReason;
  readonly stop?: SluiceError;
}

function addition(part: TablePart, want: WantedColumn, columns: readonly Column[]): Decision {
  const { table, current, drift, most, child, below, taken } = part;
  const { path, type, types, listed } = want;
  if (columns.length >= most) return { why: 'most' };
  // In a table that has no columns yet nothing is new.
  const isNews = current !== undefined && current.length > 0 && !listed;
  if (isNews && drift.newField === 'stop') return { why: 'new-field', stop: newFieldError(table, below + path, types) };
  if (isNews && drift.newField === 'keep') return { why: 'new-field' };
  return { step: { kind: 'add-column', child, column: { name: columnName(want, columns, taken), path, type } } };
}

function change({ table, drift, child, below }: TablePart, want: WantedColumn, known: Column): Decision {
  const { to, why, stops } = typeChange(known.type, want, drift.typeChange);
  const reason = why === undefined ? {} : { why };
  if (stops === true) return { ...reason, stop: typeChangeError(table, below + want.path, known.type, want.types) };
  if (to === known.type) return reason;
  return { ...reason, step: { kind: 'widen', child, column: { ...known, type: to }, from: known.type, to } };
}

function columnName({ name, path }: WantedColumn, columns: readonly Column[], taken?: ReadonlySet<string>): string {
  const isTaken = (text: string) => RESERVED_COLUMNS.has(text) || hasName(columns, text) || taken?.has(text) === true;
  return identifier(name ?? joinedNames(path), isTaken);
}

function childName(table: string, child: WantedChild, isTaken: (name: string) => boolean): string {
  return identifier(child.name ?? `${table}_${joinedNames(child.path)}`, isTaken);
}

function joinedNames(path: FieldPath): string {
  return segmentsOf(path).map(segmentName).join('_');
}

function hasName(named: readonly { readonly name: string }[], text: string): boolean {
  return named.some(({ name }) => name === text);
}
