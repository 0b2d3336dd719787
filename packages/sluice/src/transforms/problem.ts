import { SluiceError } from '../core/failure.ts';

/** What is wrong with a transform as it is written; found when the configuration is read. */
export class TransformProblem extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.name = 'TransformProblem';
    this.hint = hint;
  }
}

/** What a transform cannot do with one event: the values are not such that it could. Never shows them. */
export class ValueProblem extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ValueProblem';
  }
}

/** The event that a transform failed for, as a dead letter. `where` is such as `transform 2 ($set)`. */
export function transformFailed(where: string, cause: Error, hint: string): SluiceError {
  return new SluiceError(`${where}: ${cause.message}`, { kind: 'rejected', code: 'transform.failed', hint, cause });
}
