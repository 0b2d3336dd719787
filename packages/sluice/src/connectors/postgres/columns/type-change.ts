import { type ColumnType, isSameKind, takesAll, widerOfKind, widerType } from './column-types.ts';
import type { DriftRules, WantedColumn } from './layout.ts';

/** What becomes of a column that is there when values of other types, or another type, are wanted in it. */
export interface TypeChange {
  /** Its type from now on. */
  readonly to: ColumnType;
  /** Why it does not hold all of its values as they are, or not as they were asked for. */
  readonly why?: 'type-change' | 'listed-type';
  /** True when the pipeline has to stop instead. */
  readonly stops?: true;
}

/**
 * The type of a column for what is known of its values. It is widened where what is in it keeps its meaning; it becomes
 * one of another kind only by `text` of the rules, or because its type is asked for by name. It is never narrowed.
 */
export function typeChange(known: ColumnType, want: WantedColumn, rule: DriftRules['typeChange']): TypeChange {
  if (want.fixed) return listedType(known, want.type);
  if (takesAll(known) || want.isGuess === true) return { to: known };
  const all = widerForAll(known, want);
  if (all === known) return { to: known };
  if (rule === 'stop' && !isSameBsonType(known, all)) return { to: known, why: 'type-change', stops: true };
  const to = allowedType(rule, known, widerWithin(known, want), all);
  return to === all || takesAll(to) ? { to } : { to, why: 'type-change' };
}

/** What the settings ask for by name is no change of the documents, but nothing is narrowed for it. */
function listedType(known: ColumnType, type: ColumnType): TypeChange {
  return widerType(known, type) === type ? { to: type } : { to: known, why: 'listed-type' };
}

/** What the column becomes, of the types that it would need for values of its own kind and for all of them. */
function allowedType(
  rule: DriftRules['typeChange'],
  known: ColumnType,
  within: ColumnType,
  all: ColumnType,
): ColumnType {
  if (rule === 'text' && !isSameKind(known, all)) return 'text';
  return rule === 'widen' || rule === 'text' || isSameBsonType(known, within) ? within : known;
}

/** The type for all values that are known. */
function widerForAll(known: ColumnType, { type, types }: WantedColumn): ColumnType {
  // An int is exact as a double, also where nobody remembers that there were doubles.
  const isInt = known === 'double precision' && type === 'bigint' && types.includes('int') && !types.includes('long');
  return isInt ? known : widerType(known, type);
}

/** The type for those of the values that are of the column's kind. */
function widerWithin(known: ColumnType, want: WantedColumn): ColumnType {
  const all = widerForAll(known, want);
  if (isSameKind(known, all)) return all;
  const within = widerOfKind(known, want.types);
  return want.within !== undefined && isSameKind(known, want.within) ? widerType(within, want.within) : within;
}

/** Both are binary data: that some of it is no UUID is not a change of the documents' types. */
function isSameBsonType(from: ColumnType, to: ColumnType): boolean {
  return from === 'uuid' && to === 'bytea';
}
