import { isRowRefusal } from './classify.ts';
import type { TableWork } from './table-work.ts';

/** Rows that the server does not let go, or does not take, whatever is tried. */
export interface HeldRows {
  readonly count: number;
  /** What the server said of the first one; undefined when there is none. */
  readonly error: unknown;
}

/** No rows. */
export const NONE_HELD: HeldRows = { count: 0, error: undefined };

/** Both together. */
export function joinHeld(a: HeldRows, b: HeldRows): HeldRows {
  return { count: a.count + b.count, error: a.error ?? b.error };
}

/** Does something with a row that was refused with others; resolves with what the server says against it. */
type OneRow = (id: string) => Promise<HeldRows>;

/**
 * Does something with many rows of a transaction, of which the server refuses some: a foreign key or a trigger of the user
 * is in the way. What fails is halved, so that few refusals among many rows are found with few statements.
 */
export async function rowByRow(
  work: TableWork,
  ids: readonly string[],
  together: (ids: readonly string[]) => Promise<void>,
  alone: OneRow,
): Promise<HeldRows> {
  const [id] = ids;
  if (id === undefined) return NONE_HELD;
  if (ids.length === 1) return await alone(id);
  const error = await inSavepoint(work, () => together(ids));
  if (error === undefined) return NONE_HELD;
  const middle = ids.length >> 1;
  const first = await rowByRow(work, ids.slice(0, middle), together, alone);
  return joinHeld(first, await rowByRow(work, ids.slice(middle), together, alone));
}

/** Does it, or nothing; resolves with the error when it is about a row. */
export async function inSavepoint(work: TableWork, step: () => Promise<void>): Promise<unknown> {
  await work.query({ text: 'savepoint held' });
  try {
    await step();
    await work.query({ text: 'release savepoint held' });
    return undefined;
  } catch (error) {
    if (!isRowRefusal(error)) throw error;
    await work.query({ text: 'rollback to savepoint held; release savepoint held' });
    return error;
  }
}
