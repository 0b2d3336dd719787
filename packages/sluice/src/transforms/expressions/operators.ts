import { BsonType } from '../../bson/elements.ts';
import { booleanValue, int32Value, stringValue } from '../../bson/make-values.ts';
import { absolute, add, divide, mod, multiply, subtract, toPlaces } from './arithmetic.ts';
import {
  arrayToObject,
  concatArrays,
  elementAt,
  isIn,
  mergeObjects,
  objectToArray,
  reverseArray,
  size,
  slice,
} from './collections.ts';
import { toBool, toDate, toDecimal128, toDouble, toInt, toLong, toObjectId, toText } from './conversions.ts';
import type { Value } from './scope.ts';
import { changeCase } from './texts.ts';
import { compareValues, isNumber, isTrue, typeName } from './values.ts';

/** An operator that gets the values of its arguments. */
export interface SimpleOperator {
  readonly min: number;
  readonly max: number;
  readonly call: (values: readonly Value[]) => Value;
}

const one = (call: SimpleOperator['call']): SimpleOperator => ({ min: 1, max: 1, call });
const two = (call: SimpleOperator['call']): SimpleOperator => ({ min: 2, max: 2, call });
const many = (call: SimpleOperator['call']): SimpleOperator => ({ min: 0, max: Infinity, call });
const compared = (holds: (order: number) => boolean): SimpleOperator =>
  two(([a, b]) => booleanValue(holds(compareValues(a, b))));

/** Operators whose arguments are all evaluated first. */
export const SIMPLE_OPERATORS: ReadonlyMap<string, SimpleOperator> = new Map<string, SimpleOperator>([
  ['$eq', compared((order) => order === 0)],
  ['$ne', compared((order) => order !== 0)],
  ['$gt', compared((order) => order > 0)],
  ['$gte', compared((order) => order >= 0)],
  ['$lt', compared((order) => order < 0)],
  ['$lte', compared((order) => order <= 0)],
  ['$cmp', two(([a, b]) => int32Value(Math.sign(compareValues(a, b))))],
  ['$not', one(([value]) => booleanValue(!isTrue(value)))],
  ['$add', many(add)],
  ['$subtract', two(subtract)],
  ['$multiply', many(multiply)],
  ['$divide', two(divide)],
  ['$mod', two(mod)],
  ['$abs', one(absolute)],
  ['$ceil', one((values) => toPlaces('$ceil', values))],
  ['$floor', one((values) => toPlaces('$floor', values))],
  ['$round', { min: 1, max: 2, call: (values) => toPlaces('$round', values) }],
  ['$trunc', { min: 1, max: 2, call: (values) => toPlaces('$trunc', values) }],
  ['$type', one(([value]) => stringValue(typeName(value)))],
  ['$isNumber', one(([value]) => booleanValue(isNumber(value)))],
  ['$isArray', one(([value]) => booleanValue(value?.type === BsonType.array))],
  ['$toBool', one(toBool)],
  ['$toString', one(toText)],
  ['$toInt', one(toInt)],
  ['$toLong', one(toLong)],
  ['$toDouble', one(toDouble)],
  ['$toDecimal', one(toDecimal128)],
  ['$toDate', one(toDate)],
  ['$toObjectId', one(toObjectId)],
  ['$toLower', one((values) => changeCase(values, false))],
  ['$toUpper', one((values) => changeCase(values, true))],
  ['$size', one(size)],
  ['$arrayElemAt', two((values) => elementAt('$arrayElemAt', values))],
  ['$first', one(([array]) => elementAt('$first', [array, int32Value(0)]))],
  ['$last', one(([array]) => elementAt('$last', [array, int32Value(-1)]))],
  ['$concatArrays', many(concatArrays)],
  ['$reverseArray', one(reverseArray)],
  ['$in', two(isIn)],
  ['$slice', { min: 2, max: 3, call: slice }],
  ['$mergeObjects', many(mergeObjects)],
  ['$objectToArray', one(objectToArray)],
  ['$arrayToObject', one(arrayToObject)],
]);
