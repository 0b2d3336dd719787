import { DatabaseError } from 'pg';
import { isAbort, SluiceError } from '../../core/failure.ts';
import { isCertificateCode, isConnectionCode, isNameCode } from '../../core/network-codes.ts';
import {
  AUTHENTICATION,
  BY_CLASS,
  BY_STATE,
  CHANGED,
  CONFLICT,
  LOST,
  READ_ONLY,
  TIMEOUT,
  TLS,
  UNREACHABLE,
  type Verdict,
} from './error-rules.ts';

/**
 * What was being done when an error came up: `connect` reaching the server and logging in · `tables` making schemas,
 * tables and columns · `state` reading and writing Sluice's own tables · `write` writing documents · `check` doctor.
 */
export type PostgresPhase = 'connect' | 'tables' | 'state' | 'write' | 'check';

/** The server did not answer in time; it may still be at it. */
export class NoAnswerError extends Error {}

/** Other states of errors that are about the values of a single row. */
const ROW_STATES = new Set([
  // A number of what PostgreSQL can hold is too large: an index entry, an array, a jsonb document; nesting too deep.
  '54000',
  '54001',
  // WITH CHECK OPTION; row-level security says 42501, as a missing privilege does.
  '44000',
  // A trigger has a query that finds more than one row, or changes the row that it is about.
  '21000',
  '27000',
]);
/** Classes of such errors: data exceptions, violated constraints, and what functions in PL/pgSQL and others raise. */
const ROW_CLASSES = new Set(['22', '23', 'P0', '38', '39']);
/** Classes that mean the same when a function of the user raises them: others were in the way, resources, shutdown, locks. */
const RAISED_AS_THEY_ARE = new Set(['40', '53', '55', '57', '58']);
/** Functions of the server by which it says who refuses a row; they are called the same in all versions. */
const RAISED = 'exec_stmt_raise';
const ROW_SECURITY = 'ExecWithCheckOptions';
const UNIQUE_VIOLATION = '23505';
const EXCLUSION_VIOLATION = '23P01';
const FOREIGN_KEY_VIOLATION = '23503';
const NOT_NULL_VIOLATION = '23502';
const CHECK_VIOLATION = '23514';

/** The socket in the file system is not there. */
const NO_SOCKET = 'ENOENT';
const MAX_QUOTED = 200;

/** The code of the server for an error (SQLSTATE); undefined for errors that it did not send. */
export function stateOf(error: unknown): string | undefined {
  const database = databaseError(error);
  return database?.code;
}

/** Whether the server, or a trigger there, refuses a row: then the others can be written without it. */
export function isRowRefusal(error: unknown): boolean {
  const state = stateOf(error);
  if (state === undefined) return false;
  if (isOfUser(error)) return !RAISED_AS_THEY_ARE.has(state.slice(0, 2));
  return ROW_STATES.has(state) || ROW_CLASSES.has(state.slice(0, 2));
}

/** Raised by a statement in a function of the user, with a state of its choice, or by row-level security. */
function isOfUser(error: unknown): boolean {
  const routine = databaseError(error)?.routine;
  return routine === RAISED || routine === ROW_SECURITY;
}

/** Whether a row collides with another one in an index, or refers to one that is not there: that may change. */
export function isConflict(error: unknown): boolean {
  return isUniqueConflict(error) || stateOf(error) === FOREIGN_KEY_VIOLATION;
}

/** Whether a row has a value that another row has in a unique index, or overlaps with it where that is excluded. */
export function isUniqueConflict(error: unknown): boolean {
  const state = stateOf(error);
  return state === UNIQUE_VIOLATION || state === EXCLUSION_VIOLATION;
}

/** Whether what is refused may be every row, because of how the table is. */
export function isTableRefusal(error: unknown): boolean {
  const state = stateOf(error);
  if (state === undefined) return false;
  if (isOfUser(error)) return true;
  return state === NOT_NULL_VIOLATION || state === CHECK_VIOLATION || state === '44000' || /^(P0|38|39)/.test(state);
}

/** Whether the same transaction may succeed when it is made again at once. */
export function isSerializationFailure(error: unknown): boolean {
  return stateOf(error)?.startsWith('40') === true;
}

/** The row cannot be stored. Neither the message nor the hint has any of its values. */
export function rowRefused(error: unknown, table: string): SluiceError {
  const { code = '', constraint, column, dataType } = databaseError(error) ?? {};
  const [what, hint] = refusalOf(code, error);
  const where = [
    constraint === undefined ? '' : `constraint ${constraint}`,
    column === undefined ? '' : `column ${column}`,
    dataType === undefined ? '' : `type ${dataType}`,
  ].filter((part) => part !== '');
  const place = where.length === 0 ? '' : `, ${where.join(', ')}`;
  return new SluiceError(`the table ${table} does not take the document: ${what} (SQLSTATE ${code}${place})`, {
    kind: 'rejected',
    code: isUniqueConflict(error) ? 'postgres.unique' : 'postgres.row-refused',
    hint,
  });
}

function refusalOf(code: string, error: unknown): readonly [what: string, hint: string] {
  if (isOfUser(error) || /^(44|P0|38|39|21|27)/.test(code)) {
    return [
      'a trigger, view or policy of yours refuses it',
      'Change that or the document, then replay the dead letter.',
    ];
  }
  if (code === EXCLUSION_VIOLATION) {
    return [
      'it overlaps with another row',
      'Drop the constraint, or remove the other row, then replay the dead letter.',
    ];
  }
  if (code === FOREIGN_KEY_VIOLATION) {
    return [
      'it refers to a row that is not there, or rows refer to it',
      'Where tables of collections refer to each other, documents may come in any order: drop the foreign key. Then replay the dead letter.',
    ];
  }
  if (code === UNIQUE_VIOLATION) {
    return [
      'another row has the same value in a unique index',
      'Make the index not unique, or remove the other row, then replay the dead letter.',
    ];
  }
  if (code.startsWith('23')) {
    return ['it violates a constraint', 'Change the constraint or the document, then replay the dead letter.'];
  }
  if (code.startsWith('54')) {
    return [
      'it is larger or nested deeper than PostgreSQL can store',
      'Where an index of yours is meant, index a hash of the value; otherwise let a transform leave the field out. Then replay the dead letter.',
    ];
  }
  return ['it has a value that PostgreSQL cannot store', 'Change the document or leave the field out by a transform.'];
}

/** The error as the engine acts on it. `doing` says what it was for, as in "write to shop.orders". */
export function failureOf(error: unknown, phase: PostgresPhase, doing: string): SluiceError {
  if (error instanceof SluiceError) return error;
  const verdict = verdictOf(error, phase);
  const message = shownMessage(error);
  if (verdict === undefined) {
    return new SluiceError(`cannot ${doing}: unexpected error of PostgreSQL${message}`, {
      kind: 'internal',
      code: 'postgres.unexpected',
    });
  }
  const { kind, code, what, hint } = verdict;
  return new SluiceError(`cannot ${doing}: ${what}${message}`, { kind, code, hint });
}

/** As `failureOf`; the echo of an abort comes through unchanged. */
export function failureUnlessAbort(error: unknown, phase: PostgresPhase, doing: string, signal: AbortSignal): unknown {
  return isAbort(error, signal) ? error : failureOf(error, phase, doing);
}

function verdictOf(error: unknown, phase: PostgresPhase): Verdict | undefined {
  const state = stateOf(error);
  if (state !== undefined) {
    const verdict = BY_STATE[state] ?? BY_CLASS[state.slice(0, 2)];
    // Two processes that make the same thing at the same time; the next try finds it made.
    if (verdict === undefined && phase === 'tables' && /^(42P0[67]|42710|42701|23505)$/.test(state)) return CONFLICT;
    // Written to by a plan that was made before.
    if (state === '0A000' && /cached plan/.test(messageOf(error))) return CHANGED;
    return verdict;
  }
  if (error instanceof NoAnswerError) return TIMEOUT;
  const code = codeOf(error);
  if (isConnectionCode(code) || isNameCode(code) || code === NO_SOCKET) return phase === 'connect' ? UNREACHABLE : LOST;
  if (isCertificateCode(code)) return TLS;
  return byMessage(messageOf(error), phase);
}

/** The library has no codes for its own errors. */
function byMessage(message: string, phase: PostgresPhase): Verdict | undefined {
  if (/does not support SSL|SSL connection/i.test(message)) return TLS;
  if (/SASL|SCRAM|password|authentication/i.test(message)) return AUTHENTICATION;
  if (/standby/.test(message)) return READ_ONLY;
  if (/timeout expired|getaddrinfo|socket disconnected/i.test(message)) {
    return phase === 'connect' ? UNREACHABLE : LOST;
  }
  if (
    /Connection terminated|not queryable|connection (was|has been) (given up|closed)|Connection ended/i.test(message)
  ) {
    return phase === 'connect' ? UNREACHABLE : LOST;
  }
  return undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : '';
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return firstInside(error);
  return typeof error.code === 'string' ? error.code : '';
}

/** Several addresses of one host fail together. */
function firstInside(error: unknown): string {
  return error instanceof AggregateError ? codeOf(error.errors[0]) : '';
}

function databaseError(error: unknown): DatabaseError | undefined {
  return error instanceof DatabaseError ? error : undefined;
}

/**
 * The server's own words where they hold no values: with data exceptions they quote what was refused, as its `detail` does
 * always, and functions of the user may say anything.
 */
function shownMessage(error: unknown): string {
  const state = stateOf(error);
  if (state !== undefined && mayQuoteValues(error, state)) return ` (SQLSTATE ${state})`;
  const text = messageOf(error).replaceAll(/\s+/g, ' ').slice(0, MAX_QUOTED);
  const words = [state === undefined ? codeOf(error) : `SQLSTATE ${state}`, text].filter((part) => part !== '');
  return words.length === 0 ? '' : ` (${words.join(': ')})`;
}

function mayQuoteValues(error: unknown, state: string): boolean {
  // Where it happened is told by the server's own errors too, but only functions are called that.
  return isOfUser(error) || ROW_CLASSES.has(state.slice(0, 2)) || /function/.test(databaseError(error)?.where ?? '');
}
