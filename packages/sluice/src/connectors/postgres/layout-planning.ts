import type { Namespace } from '../../core/change-event.ts';
import type { LearnedField } from '../../core/learned-fields.ts';
import type { ColumnsConfig } from './columns/columns-config.ts';
import { type Column, type LayoutPlan, planLayout, type TableLayout, type WantedLayout } from './columns/layout.ts';
import type { Misfit } from './columns/misfits.ts';
import { wantedLayout } from './columns/wanted.ts';
import { addForeign, columnNames } from './table-catalog.ts';
import type { Registered } from './table-registry.ts';

/** What a table is planned by. */
export interface PlanInput {
  readonly namespace: Namespace;
  readonly config: ColumnsConfig;
  readonly learned?: readonly LearnedField[] | undefined;
  readonly validator?: readonly LearnedField[] | undefined;
  readonly misfits?: readonly Misfit[] | undefined;
  /** Columns that it is to have in any case. */
  readonly like?: TableLayout | undefined;
}

/** What is to be done so that the table is as it is wanted. */
export function planTable(
  { table, relations, isThere }: Pick<Registered, 'table' | 'relations' | 'isThere'>,
  { learned, validator, misfits, like, namespace, config }: PlanInput,
  how: { readonly isNew?: boolean; readonly isTaken?: (name: string) => boolean } = {},
): LayoutPlan {
  const { isNew = false, isTaken = () => false } = how;
  const fields = learned === undefined ? undefined : { fields: learned };
  const { name } = table;
  const wanted: WantedLayout =
    like === undefined
      ? wantedLayout({ table: name, namespace, config, learned: fields, validator, misfits })
      : wantedLike(like, { table: name, drift: config.drift });
  const plan = (takenColumns: WantedLayout['takenColumns']) =>
    planLayout(isNew ? undefined : table.layout, { ...wanted, takenColumns }, isTaken);
  if (!isNew || !isThere) return plan(columnNames(relations));
  // Columns of a table that is taken over were Sluice's when they are as they are wanted.
  const foreign = new Map<string, Set<string>>();
  for (;;) {
    const next = plan(foreign);
    if (!addForeign(foreign, relations, next, name)) return next;
  }
}

/** All columns of another table. */
function wantedLike({ columns, children }: TableLayout, rest: Pick<WantedLayout, 'table' | 'drift'>): WantedLayout {
  const most = Number.POSITIVE_INFINITY;
  const wanted = (column: Column) => ({ ...column, types: [], listed: true, fixed: true });
  return {
    ...rest,
    columns: columns.map(wanted),
    children: children.map(({ path, columns: own }) => ({ path, columns: own.map(wanted), most })),
    kept: [],
    most,
  };
}
