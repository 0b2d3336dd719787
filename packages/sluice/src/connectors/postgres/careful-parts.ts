import type { CarefulOutcome, CarefulPart, DocumentStates, RowState } from './careful-write.ts';
import type { CollectionChanges, TriedState } from './collapse.ts';
import type { MadeRows } from './collections.ts';

/** A collection whose changes are these states, each by itself, so that rows are made of all of them. */
export function everyState(
  collection: CollectionChanges,
  documents: readonly (readonly TriedState[])[],
): CollectionChanges {
  const states = documents.flat().filter(({ error }) => error === undefined);
  return { ...collection, changes: new Map(states.map(({ change }, at) => [String(at), change])) };
}

/** The documents of a collection, with the rows that were made of their states. */
export function carefulPart(
  documents: readonly (readonly TriedState[])[],
  { table, statements, rows, rejections }: MadeRows,
): CarefulPart {
  const made = new Map(rows.map((row) => [row.change, row]));
  const errors = new Map(rejections.map(({ envelope, error }) => [envelope, error]));
  const withRow = ({ change, error }: TriedState): RowState => ({
    change,
    error: error ?? errors.get(change.envelope),
    row: made.get(change),
  });
  const byId = (a: DocumentStates, b: DocumentStates) => ((a[0]?.change.id ?? '') < (b[0]?.change.id ?? '') ? -1 : 1);
  return { table, statements, documents: documents.map((states) => states.map(withRow)).toSorted(byId) };
}

/** The same without what was refused. */
export function withoutRefused(outcomes: readonly CarefulOutcome[]): readonly CarefulPart[] {
  return outcomes.map(({ part, refusals }) => {
    const refused = new Set(refusals.map(({ state }) => state));
    if (refused.size === 0) return part;
    const documents = part.documents.map((states) => states.filter((state) => !refused.has(state)));
    return { ...part, documents: documents.filter((states) => states.length > 0) };
  });
}

/** What is to be tried again. */
export function conflictsOf(outcomes: readonly CarefulOutcome[]): readonly CarefulPart[] {
  return outcomes
    .map(({ part, conflicts }) => ({ ...part, documents: conflicts }))
    .filter(({ documents }) => documents.length > 0);
}
