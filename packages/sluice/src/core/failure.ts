/**
 * What a failure means for the pipeline. Decided once, at the edge of the connector that saw it:
 * - `transient`: the environment; retried for ever with capped, jittered backoff.
 * - `rejected`: this record can never be accepted; it is dead-lettered.
 * - `position-lost`: the source no longer holds what comes after the position; the operator's policy decides.
 * - `fenced`: another owner has taken over; stop and write nothing.
 * - `config`: the operator must change something; stop.
 * - `internal`: our bug, or an error nobody knows; stop loudly.
 */
export type FailureKind = 'transient' | 'rejected' | 'position-lost' | 'fenced' | 'config' | 'internal';

/** What a `SluiceError` carries besides its message. */
export interface FailureDetails {
  readonly kind: FailureKind;
  /** Stable and dotted, e.g. `mongodb.position-lost`; never reused for another meaning. */
  readonly code: string;
  /** What to do next, as a sentence for the operator. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** The one error type that crosses a seam. Its message and hint never contain secrets or document contents. */
export class SluiceError extends Error {
  readonly kind: FailureKind;
  readonly code: string;
  readonly hint: string | undefined;

  constructor(message: string, details: FailureDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'SluiceError';
    this.kind = details.kind;
    this.code = details.code;
    this.hint = details.hint;
  }
}

/** The error as a `SluiceError`; one that no connector classified is `internal`, so that it stops the partition. */
export function asSluiceError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new SluiceError(`unexpected error: ${message}`, { kind: 'internal', code: 'sluice.unexpected', cause: error });
}

/** True when the error is only the echo of an abort that somebody asked for: not a failure, never logged as one. */
export function isAbort(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted && (error === signal.reason || (error instanceof Error && error.name === 'AbortError'));
}
