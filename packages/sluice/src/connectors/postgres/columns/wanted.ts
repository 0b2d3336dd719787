import type { Namespace } from '../../../core/change-event.ts';
import { formatNamespace } from '../../../core/change-event.ts';
import { ANY_NAME, ELEMENTS, type FieldPath, segmentName, segmentsOf } from '../../../core/field-path.ts';
import type { LearnedCollection, LearnedField } from '../../../core/learned-fields.ts';
import { type ColumnType, columnType, scalarColumnType, widerType } from './column-types.ts';
import type { ColumnsConfig } from './columns-config.ts';
import { globMatches } from './glob.ts';
import type { KeptField, WantedChild, WantedColumn, WantedLayout } from './layout.ts';
import type { Misfit } from './misfits.ts';

/** What columns are wanted by. */
export interface WantedFrom {
  /** Name of the table. */
  readonly table: string;
  readonly namespace: Namespace;
  readonly config: ColumnsConfig;
  /** What has been learned of the documents; undefined when nothing is. */
  readonly learned?: Pick<LearnedCollection, 'fields'> | undefined;
  /** What the validator of the collection says (`validatorFields`). */
  readonly validator?: readonly LearnedField[] | undefined;
  /** Values that did not fit the columns as they are. */
  readonly misfits?: readonly Misfit[] | undefined;
}

/** The settings for one table. */
interface TableSettings {
  readonly from: ColumnsConfig['columns']['from'];
  readonly depth: number;
  readonly most: number;
  readonly list: ColumnsConfig['columns']['list'];
  readonly exclude: readonly string[];
}

/** Names of fields are cut to so many characters where they are learned; what was cut is no name of a field. */
const LONGEST_NAME = 200;

/** The columns and child tables that the settings ask for, with what is known of the documents. */
export function wantedLayout(input: WantedFrom): WantedLayout {
  const { table, namespace, config } = input;
  const name = formatNamespace(namespace);
  const settings = settingsFor(name, config);
  const childTables = config.childTables
    .filter(({ collection }) => globMatches(collection, name))
    // The first entry for an array counts.
    .filter(({ path }, at, all) => all.findIndex((other) => other.path === path) === at);
  const taken = new Set(['_id', ...childTables.map(({ path }) => path)]);
  const kept: KeptField[] = [];
  const columns = wantedColumns(knownFields(input, undefined), settings, taken, kept);
  const children = childTables.map((child): WantedChild => {
    const own = {
      from: child.from ?? settings.from,
      depth: child.depth ?? settings.depth,
      most: child.most ?? settings.most,
      list: child.list ?? [],
      exclude: child.exclude ?? [],
    };
    const inElements = wantedColumns(knownFields(input, child.path), own, new Set(), kept);
    return { path: child.path, name: child.table, columns: inElements, most: own.most };
  });
  return { table, columns, children, kept, drift: config.drift, most: settings.most };
}

/** The settings of a collection: those of the first entry that matches it, in place of the general ones. */
function settingsFor(name: string, { columns }: ColumnsConfig): TableSettings {
  const own = columns.collections.find(({ collection }) => globMatches(collection, name));
  return {
    from: own?.from ?? columns.from,
    depth: own?.depth ?? columns.depth,
    most: own?.most ?? columns.most,
    list: own?.list ?? columns.list,
    exclude: own?.exclude ?? columns.exclude,
  };
}

/** What is known of the fields of the documents, or of the elements of an array: types by paths from there on. */
interface KnownFields {
  /** What comes before the paths when they are shown. */
  readonly below: string;
  /** False when nothing is learned of the collection, so that there is nothing to wait for. */
  readonly isLearned: boolean;
  readonly learned: KnownTypes;
  readonly declared: KnownTypes;
  /** Types of columns that values would fit which do not fit theirs. */
  readonly misfits: ReadonlyMap<FieldPath, Pick<Misfit, 'wants' | 'within'>>;
}

type KnownTypes = ReadonlyMap<FieldPath, readonly string[]>;

function knownFields({ learned, validator, misfits }: WantedFrom, array: FieldPath | undefined): KnownFields {
  const below = array === undefined ? '' : `${array}[].`;
  const typesBelow = (fields: readonly LearnedField[]): KnownTypes =>
    new Map(
      fields.filter(({ path }) => path.startsWith(below)).map(({ path, types }) => [path.slice(below.length), types]),
    );
  const own = (misfits ?? []).filter(({ child }) => child === array);
  return {
    below,
    isLearned: learned !== undefined,
    learned: typesBelow(learned?.fields ?? []),
    declared: typesBelow(validator ?? []),
    misfits: new Map(own.map((misfit) => [misfit.path, misfit])),
  };
}

/** The wanted columns of one table; notes the fields that get none. `taken` are paths that are kept elsewhere. */
function wantedColumns(
  known: KnownFields,
  settings: TableSettings,
  taken: ReadonlySet<FieldPath>,
  kept: KeptField[],
): readonly WantedColumn[] {
  if (settings.from === 'none') return [];
  const listed = settings.list.flatMap(({ path, name, type }): WantedColumn[] => {
    const types = typesOf(known, path);
    const found = type ?? columnType(types);
    if (found !== undefined) return [wantedColumn(known, { path, type: found, name }, true, type !== undefined)];
    if (!known.isLearned) return [guessedColumn(known, { path, type: 'text', name })];
    kept.push({ path: known.below + path, types, why: 'unseen' });
    return [];
  });
  if (settings.from === 'listed') return listed;
  const passed = new Set([...taken, ...settings.list.map(({ path }) => path)]);
  const others = fieldsFrom(settings.from, known).flatMap((path): WantedColumn[] => {
    if (passed.has(path)) return [];
    const types = typesOf(known, path);
    const type = scalarColumnType(types);
    const why = reasonToKeep(path, types, settings);
    if (why !== undefined) kept.push({ path: known.below + path, types, why });
    const isWanted = why === undefined && type !== undefined && isWithin(path, settings);
    return isWanted ? [wantedColumn(known, { path, type }, false, false)] : [];
  });
  return [...listed, ...others];
}

function wantedColumn(
  known: KnownFields,
  column: { readonly path: FieldPath; readonly type: ColumnType; readonly name?: string | undefined },
  listed: boolean,
  fixed: boolean,
): WantedColumn {
  const { wants, within } = (fixed ? undefined : known.misfits.get(column.path)) ?? {};
  const type = wants === undefined ? column.type : widerType(column.type, wants);
  const wanted = { ...column, type, types: typesOf(known, column.path), listed, fixed };
  return within === undefined ? wanted : { ...wanted, within };
}

/** A listed column of which nothing is known: what it is now, only values that did not fit can change. */
function guessedColumn(known: KnownFields, column: Pick<WantedColumn, 'path' | 'type' | 'name'>): WantedColumn {
  const wants = known.misfits.get(column.path)?.wants;
  if (wants !== undefined) return wantedColumn(known, { ...column, type: wants }, true, false);
  return { ...wantedColumn(known, column, true, false), isGuess: true };
}

function typesOf({ learned, declared }: KnownFields, path: FieldPath): readonly string[] {
  return [...new Set([...(learned.get(path) ?? []), ...(declared.get(path) ?? [])])];
}

/** Shallow fields first: they get the columns when there is not room for all. */
function fieldsFrom(from: TableSettings['from'], { learned, declared }: KnownFields): readonly FieldPath[] {
  const paths = new Set([...(from === 'learned' ? learned.keys() : []), ...declared.keys()]);
  const depthOf = new Map([...paths].map((path) => [path, segmentsOf(path).length]));
  return [...paths].toSorted((a, b) => (depthOf.get(a) ?? 0) - (depthOf.get(b) ?? 0) || (a < b ? -1 : 1));
}

/** Why a field gets no column although it is not too deep; what is inside of arrays is not looked at. */
function reasonToKeep(
  path: FieldPath,
  types: readonly string[],
  settings: TableSettings,
): KeptField['why'] | undefined {
  if (!isWithin(path, settings)) return undefined;
  const segments = segmentsOf(path);
  if (segments.some((segment) => segment === ANY_NAME || segmentName(segment).length > LONGEST_NAME)) return 'map';
  if (isExcluded(path, settings.exclude)) return 'excluded';
  const isTakenApart = segments.length < settings.depth && !types.includes('array');
  const isContainer = scalarColumnType(types) === undefined && columnType(types) !== undefined;
  return isContainer && !isTakenApart ? 'container' : undefined;
}

function isWithin(path: FieldPath, { depth }: TableSettings): boolean {
  const segments = segmentsOf(path);
  return segments.length <= depth && !segments.includes(ELEMENTS);
}

/** True when a glob is for the field or for one that it is in. */
function isExcluded(path: FieldPath, exclude: readonly string[]): boolean {
  if (exclude.length === 0) return false;
  const segments = segmentsOf(path);
  return segments.some((_, at) => {
    const above = segments.slice(0, at + 1).join('.');
    return exclude.some((glob) => globMatches(glob, above));
  });
}
