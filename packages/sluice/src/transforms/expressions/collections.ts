import { arrayValue, documentValue } from '../../bson/build-document.ts';
import { BsonType, fieldsOf } from '../../bson/elements.ts';
import { booleanValue, int32Value, NULL_VALUE, stringValue, textOfValue } from '../../bson/make-values.ts';
import type { BsonValue } from '../../core/change-event.ts';
import { ValueProblem } from '../problem.ts';
import { elementsOf, isNullish, type Value } from './scope.ts';
import { compareValues, smallWhole, typeName } from './values.ts';

/** The array that an operator was given; a problem when it is none. */
export function arrayOf(operator: string, value: Value): BsonValue {
  if (value?.type !== BsonType.array) throw new ValueProblem(`${operator} needs an array, not ${typeName(value)}`);
  return value;
}

export function size([value]: readonly Value[]): Value {
  return int32Value(elementsOf(arrayOf('$size', value)).length);
}

/** `$arrayElemAt`, and `$first` and `$last` with their places. */
export function elementAt(operator: string, [array, index]: readonly Value[]): Value {
  if (isNullish(array) || isNullish(index)) return NULL_VALUE;
  const elements = elementsOf(arrayOf(operator, array));
  return elements.at(smallWhole(index, `the place of ${operator}`));
}

export function concatArrays(values: readonly Value[]): Value {
  if (values.some(isNullish)) return NULL_VALUE;
  return arrayValue(values.flatMap((value) => elementsOf(arrayOf('$concatArrays', value))));
}

export function reverseArray([value]: readonly Value[]): Value {
  return isNullish(value) ? NULL_VALUE : arrayValue(elementsOf(arrayOf('$reverseArray', value)).toReversed());
}

export function isIn([value, array]: readonly Value[]): Value {
  return booleanValue(elementsOf(arrayOf('$in', array)).some((element) => compareValues(element, value) === 0));
}

/** `$slice: [array, n]` and `[array, position, n]`. */
export function slice([array, first, second]: readonly Value[]): Value {
  if (isNullish(array) || isNullish(first) || (second !== undefined && isNullish(second))) return NULL_VALUE;
  const elements = elementsOf(arrayOf('$slice', array));
  const from = smallWhole(first, 'the first number of $slice');
  if (second === undefined) return arrayValue(from < 0 ? elements.slice(from) : elements.slice(0, from));
  const count = smallWhole(second, 'the second number of $slice');
  if (count <= 0) throw new ValueProblem('the second number of $slice must be positive');
  const start = from < 0 ? Math.max(0, elements.length + from) : from;
  return arrayValue(elements.slice(start, start + count));
}

export function mergeObjects(values: readonly Value[]): Value {
  const merged = new Map<string, BsonValue>();
  const [only] = values;
  const documents = values.length === 1 && only?.type === BsonType.array ? elementsOf(only) : values;
  for (const value of documents) {
    if (isNullish(value)) continue;
    const { type, bytes } = value;
    if (type !== BsonType.document) throw new ValueProblem(`$mergeObjects needs documents, not ${typeName(value)}`);
    for (const field of fieldsOf(bytes)) merged.set(field.name, { type: field.type, bytes: field.bytes });
  }
  return documentValue(merged);
}

export function objectToArray([value]: readonly Value[]): Value {
  if (isNullish(value)) return NULL_VALUE;
  const { type, bytes } = value;
  if (type !== BsonType.document) throw new ValueProblem(`$objectToArray needs a document, not ${typeName(value)}`);
  const pairs = [...fieldsOf(bytes)].map((field) =>
    documentValue([
      ['k', stringValue(field.name)],
      ['v', field],
    ]),
  );
  return arrayValue(pairs);
}

export function arrayToObject([value]: readonly Value[]): Value {
  if (isNullish(value)) return NULL_VALUE;
  const fields = new Map<string, BsonValue>();
  for (const element of elementsOf(arrayOf('$arrayToObject', value))) {
    const [key, inner] = pairOf(element);
    if (key?.type !== BsonType.string || inner === undefined) {
      throw new ValueProblem('$arrayToObject needs pairs [k, v] or documents { k, v } with a string for k');
    }
    const name = textOfValue(key);
    if (name.includes('\0')) throw new ValueProblem('$arrayToObject: the name of a field cannot contain NUL');
    fields.set(name, inner);
  }
  return documentValue(fields);
}

function pairOf(element: BsonValue): readonly Value[] {
  if (element.type === BsonType.array) {
    const pair = elementsOf(element);
    return pair.length === 2 ? pair : [];
  }
  const fields = element.type === BsonType.document ? [...fieldsOf(element.bytes)] : [];
  if (fields.length !== 2) return [];
  return ['k', 'v'].map((name) => fields.find((field) => field.name === name));
}
