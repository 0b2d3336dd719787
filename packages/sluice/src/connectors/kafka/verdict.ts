import type { FailureKind } from '../../core/failure.ts';

/** What an error of Kafka means. */
export interface Verdict {
  readonly kind: FailureKind;
  readonly code: string;
  readonly what: string;
  readonly hint?: string;
  /** False: the broker's own words are left out, because they may tell about credentials. */
  readonly quote?: boolean;
}

/** A right that is missing. */
export function authorization(what: string, hint: string): Verdict {
  return {
    kind: 'transient',
    code: 'kafka.authorization',
    what,
    hint: `${hint} It is tried again, so a new permission is taken up.`,
  };
}
