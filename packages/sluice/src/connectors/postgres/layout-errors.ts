import { stateOf } from './classify.ts';

/** A column or table is missing, has another type, or is one that nobody can write to. */
const STATES = new Set(['42703', '42P01', '42804', '428C9']);

/**
 * Whether a statement failed because somebody else has changed the table since it was looked at: when it is laid out again,
 * what is missing is made again and what is different is followed.
 */
export function isLayoutError(error: unknown): boolean {
  const state = stateOf(error);
  return state !== undefined && STATES.has(state);
}
