import type { BsonValue } from '../../core/change-event.ts';
import type { Expression } from './scope.ts';

/** What an expression may refer to. */
export interface Reachable {
  /** What `$name` may begin with; undefined when that can be anything, as below the surface in `$redact`. */
  readonly fields: readonly string[] | undefined;
  /** The user's variables in reach. */
  readonly variables: readonly string[];
  /** System variables that only this stage has. */
  readonly verdicts?: ReadonlyMap<string, BsonValue> | undefined;
}

/** The same with what compiles the expressions inside of an operator. */
export interface Names extends Reachable {
  compile(written: unknown, names: Names): Expression;
}
