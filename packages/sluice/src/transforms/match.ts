import { BsonType, fieldsOf, findField } from '../bson/elements.ts';
import { isExtended, isMapping } from './constants.ts';
import { VIEW_FIELDS } from './draft.ts';
import { compileExpression } from './expressions/compile.ts';
import type { Scope, Value } from './expressions/scope.ts';
import { isTrue } from './expressions/values.ts';
import { compilePredicate, equals, isPredicate, type Predicate } from './match-predicates.ts';
import { TransformProblem } from './problem.ts';
import type { Step } from './step.ts';

/** A query that was compiled: whether the view of an event matches. */
export type Query = (scope: Scope) => boolean;

/** Compiles the query of a `$match`. `fields` is what a path may begin with. Throws `TransformProblem`. */
export function compileQuery(written: unknown, fields: readonly string[]): Query {
  if (!isMapping(written)) throw new TransformProblem('$match needs a mapping');
  const conditions = Object.entries(written).map(([key, condition]) => compileCondition(key, condition, fields));
  return (scope) => conditions.every((condition) => condition(scope));
}

function compileCondition(key: string, body: unknown, fields: readonly string[]): Query {
  switch (key) {
    case '$and': {
      const queries = queriesOf(key, body, fields);
      return (scope) => queries.every((query) => query(scope));
    }
    case '$or': {
      const queries = queriesOf(key, body, fields);
      return (scope) => queries.some((query) => query(scope));
    }
    case '$nor': {
      const queries = queriesOf(key, body, fields);
      return (scope) => !queries.some((query) => query(scope));
    }
    case '$expr': {
      const expression = compileExpression(body, { fields, variables: [] });
      return (scope) => isTrue(expression(scope));
    }
    case '$comment':
      return () => true;
    default:
      if (!key.startsWith('$')) return compileField(key, body, fields);
      throw new TransformProblem(`${key} is not supported in $match`, 'supported are paths, $and, $or, $nor, $expr');
  }
}

function queriesOf(key: string, body: unknown, fields: readonly string[]): readonly Query[] {
  if (!Array.isArray(body) || body.length === 0) throw new TransformProblem(`${key} needs a list of queries`);
  return body.map((query) => compileQuery(query, fields));
}

function compileField(path: string, body: unknown, fields: readonly string[]): Query {
  const [first, ...rest] = path.split('.') as [string, ...string[]];
  if (!fields.includes(first)) {
    throw new TransformProblem(
      `"${path}": an event has no field "${first}"`,
      `the fields of the document are below after and before, such as "after.${first}"; an event has ${fields.join(', ')}`,
    );
  }
  if (rest.includes('')) throw new TransformProblem(`"${path}" is not a path`);
  const condition = compileValueQuery(body);
  return ({ root }) => condition(root.get(first), rest);
}

/** A condition on what is at a path inside of a value. */
type Condition = (value: Value, path: readonly string[]) => boolean;

/** With `elements`, an array at the end of the path also stands for its elements. */
function compileValueQuery(body: unknown, elements = true): Condition {
  if (!isMapping(body) || isExtended(body) || !Object.keys(body).some((key) => key.startsWith('$'))) {
    return compileOne('$eq', body, undefined, elements);
  }
  const entries = Object.entries(body);
  const plain = entries.find(([key]) => !key.startsWith('$'));
  if (plain !== undefined) throw new TransformProblem(`operators and the field "${plain[0]}" cannot stand together`);
  const options = body['$options'];
  if (options !== undefined && !('$regex' in body)) throw new TransformProblem('$options needs $regex');
  const conditions = entries
    .filter(([key]) => key !== '$options')
    .map(([key, operand]) => compileOne(key, operand, options, elements));
  return (value, path) => conditions.every((condition) => condition(value, path));
}

function compileOne(key: string, operand: unknown, options: unknown, elements = true): Condition {
  switch (key) {
    case '$ne':
      return negated(compileOne('$eq', operand, undefined, elements));
    case '$nin':
      return negated(compileOne('$in', operand, undefined, elements));
    case '$not': {
      if (!isMapping(operand)) throw new TransformProblem('$not needs a mapping with operators');
      return negated(compileValueQuery(isExtended(operand) ? { $in: [operand] } : operand, elements));
    }
    case '$all': {
      if (!Array.isArray(operand)) throw new TransformProblem('$all needs a list');
      const all = operand.map((one) => {
        if (isMapping(one) && '$elemMatch' in one) return compileOne('$elemMatch', one['$elemMatch'], undefined);
        return compileOne('$eq', one, undefined, elements);
      });
      return (value, path) => all.length > 0 && all.every((condition) => condition(value, path));
    }
    case '$elemMatch': {
      const element = compileElement(operand);
      return (value, path) => anyAt(value, path, (found) => someElement(found, element), false);
    }
    default: {
      // That a field is nowhere is the denial of its being somewhere, also where arrays give it several chances.
      if (key === '$exists' && (operand === false || operand === 0)) return negated(compileOne(key, true, undefined));
      if (!isPredicate(key)) throw new TransformProblem(`the operator ${key} is not supported in $match`, equals());
      const predicate = compilePredicate(key, operand, options);
      return (value, path) => anyAt(value, path, predicate.test, elements && predicate.elements);
    }
  }
}

function negated(condition: Condition): Condition {
  return (value, path) => !condition(value, path);
}

/** What `$elemMatch` asks of an element: a query over its fields, or operators over itself. */
function compileElement(operand: unknown): (element: Value) => boolean {
  if (!isMapping(operand)) throw new TransformProblem('$elemMatch needs a mapping');
  const [first] = Object.keys(operand);
  if (first?.startsWith('$') === true && !['$and', '$or', '$nor', '$expr'].includes(first)) {
    const condition = compileValueQuery(operand, false);
    return (element) => condition(element, []);
  }
  const conditions = Object.entries(operand).map(([key, body]) => compileElementField(key, body));
  return (element) => {
    const isNested = element?.type === BsonType.document || element?.type === BsonType.array;
    return isNested && conditions.every((condition) => condition(element));
  };
}

function compileElementField(key: string, body: unknown): (element: Value) => boolean {
  if (key === '$and' || key === '$or' || key === '$nor') {
    if (!Array.isArray(body)) throw new TransformProblem(`${key} needs a list of queries`);
    const queries = body.map((query) => compileElement(query));
    if (key === '$and') return (element) => queries.every((query) => query(element));
    return (element) => queries.some((query) => query(element)) === (key === '$or');
  }
  if (key.startsWith('$')) throw new TransformProblem(`${key} is not supported in $elemMatch`);
  const condition = compileValueQuery(body);
  const path = key.split('.');
  return (element) => condition(element, path);
}

function someElement(value: Value, test: Predicate): boolean {
  if (value?.type !== BsonType.array) return false;
  for (const element of fieldsOf(value.bytes)) if (test(element)) return true;
  return false;
}

/**
 * Whether a value at the path passes the test. Arrays on the way stand for each of their documents, and also for the
 * element that a number in the path names; an array at the end for itself and, with `elements`, for each of its elements.
 */
function anyAt(value: Value, path: readonly string[], test: Predicate, elements: boolean, from = 0): boolean {
  let inner = value;
  for (let index = from; index < path.length; index++) {
    const name = path[index] as string;
    if (inner?.type === BsonType.array) return anyInArray(inner.bytes, path, test, elements, index);
    inner = inner?.type === BsonType.document ? findField(inner.bytes, name) : undefined;
    if (inner === undefined) return test(undefined);
  }
  if (test(inner)) return true;
  return elements && someElement(inner, test);
}

const DIGITS = /^(0|[1-9]\d*)$/;

function anyInArray(
  array: Uint8Array,
  path: readonly string[],
  test: Predicate,
  elements: boolean,
  index: number,
): boolean {
  const name = path[index] as string;
  for (const element of fieldsOf(array)) {
    if (element.type === BsonType.document && anyAt(element, path, test, elements, index)) return true;
  }
  if (!DIGITS.test(name)) return false;
  const element = findField(array, name);
  return element !== undefined && anyAt(element, path, test, elements, index + 1);
}

/** `$match`: only events that the query matches go on. */
export function compileMatch(body: unknown): Step {
  const query = compileQuery(body, VIEW_FIELDS);
  return (draft, { nowMs }) => query({ root: draft, current: draft, variables: undefined, nowMs });
}
