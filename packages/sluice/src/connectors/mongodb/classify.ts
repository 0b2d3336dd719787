import { MongoServerError } from 'mongodb';
import { type FailureKind, SluiceError } from '../../core/failure.ts';
import { clientErrorRule, type ErrorRule, type MongoPhase, serverErrorRule } from './error-rules.ts';
import { safeCause, safeMessage } from './safe-error.ts';

/**
 * The error of the driver or server as a `SluiceError`. Total: what no rule knows becomes `internal`, which stops the
 * partition loudly. `doing` goes into the message ("cannot …"). A `SluiceError` passes through.
 */
export function classify(error: unknown, phase: MongoPhase, doing: string): SluiceError {
  if (error instanceof SluiceError) return error;
  const rule = error instanceof MongoServerError ? serverErrorRule(error, phase) : clientErrorRule(error, phase);
  return ruled(rule, error, doing);
}

/** The number of a server error; undefined for every other error. Works through `classify`, which keeps it. */
export function serverCode(error: unknown): number | undefined {
  if (error instanceof SluiceError) return serverCode(error.cause);
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  // A driver set to keep BSON types hands out an Int32 object.
  const code = Number(error.code);
  return Number.isInteger(code) ? code : undefined;
}

function ruled(rule: ErrorRule, error: unknown, doing: string): SluiceError {
  const kind: FailureKind = rule.kind;
  const detail = rule.quiet === true ? codeName(error) : safeMessage(error);
  const message = `cannot ${doing}: ${rule.says}${detail === undefined ? '' : ` (${detail})`}`;
  return new SluiceError(message, { kind, code: rule.code, hint: rule.hint, cause: safeCause(error) });
}

function codeName(error: unknown): string | undefined {
  return error instanceof MongoServerError ? error.codeName : undefined;
}
