import { arrayValue } from '../../bson/build-document.ts';
import { BsonType, fieldsOf, findField } from '../../bson/elements.ts';
import type { BsonValue } from '../../core/change-event.ts';

/** A value, or undefined where there is none: what MongoDB calls missing. */
export type Value = BsonValue | undefined;

/** What `$name` looks into: the view of an event, or a document in it. */
export interface Fields {
  get(name: string): Value;
  whole(): BsonValue;
}

/** What an expression is evaluated with. */
export interface Scope {
  readonly root: Fields;
  readonly current: Fields;
  readonly variables: Variables | undefined;
  /** `$$NOW`: the same for a whole batch. */
  readonly nowMs: number;
}

/** Variables of `$let`, `$map` and their like, the innermost first. */
export interface Variables {
  readonly name: string;
  readonly value: Value;
  readonly outer: Variables | undefined;
}

/** An expression that was compiled: pure, and the same for every event. Throws `ValueProblem`. */
export type Expression = (scope: Scope) => Value;

/** The scope with one more variable. */
export function withVariable(scope: Scope, name: string, value: Value): Scope {
  return { ...scope, variables: { name, value, outer: scope.variables } };
}

/** The value at a path inside of another: through documents, and through arrays to what their documents have there. */
export function valueAt(value: Value, path: readonly string[], from = 0): Value {
  let inner = value;
  for (let index = from; index < path.length; index++) {
    if (inner?.type === BsonType.document) inner = findField(inner.bytes, path[index] as string);
    else return inner?.type === BsonType.array ? ofElements(inner, path, index) : undefined;
  }
  return inner;
}

function ofElements(array: BsonValue, path: readonly string[], from: number): BsonValue {
  const found: BsonValue[] = [];
  for (const element of fieldsOf(array.bytes)) {
    if (element.type !== BsonType.document) continue;
    const value = valueAt(element, path, from);
    if (value !== undefined) found.push(value);
  }
  return arrayValue(found);
}

/** A document as what fields are taken from. */
export function fieldsIn(document: BsonValue): Fields {
  return { get: (name) => findField(document.bytes, name), whole: () => document };
}

/** The elements of an array. */
export function elementsOf(array: BsonValue): BsonValue[] {
  return [...fieldsOf(array.bytes)].map(({ type, bytes }) => ({ type, bytes }));
}

/** True for null, undefined and nothing. */
export function isNullish(value: Value): value is (BsonValue & { readonly type: 0x06 | 0x0a }) | undefined {
  return value === undefined || value.type === BsonType.null || value.type === BsonType.undefined;
}
