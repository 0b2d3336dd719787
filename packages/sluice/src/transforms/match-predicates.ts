import { compareBson } from '../bson/compare.ts';
import { asBuffer, BsonType, fieldsOf } from '../bson/elements.ts';
import { textOfValue } from '../bson/make-values.ts';
import { TYPE_NAMES } from '../bson/type-names.ts';
import type { BsonValue } from '../core/change-event.ts';
import { constant, isExtended, isMapping } from './constants.ts';
import { toDecimal } from './expressions/arithmetic.ts';
import { exactDecimal, quantize } from './expressions/decimals.ts';
import type { Value } from './expressions/scope.ts';
import { approximate, compareValues, isNumber, isNumberType } from './expressions/values.ts';
import { TransformProblem } from './problem.ts';
import { regexOf } from './regex.ts';

/** A test of one value. */
export type Predicate = (value: Value) => boolean;

/** A test, and whether it is also put to the elements of an array. */
export interface CompiledPredicate {
  readonly test: Predicate;
  readonly elements: boolean;
}

type CompilePredicate = (operand: unknown, options: unknown) => CompiledPredicate;

const PREDICATES: ReadonlyMap<string, CompilePredicate> = new Map<string, CompilePredicate>([
  ['$eq', (operand) => each(equality(operand))],
  ['$in', (operand) => each(membership(operand))],
  ['$gt', (operand) => each(ordered(operand, (order) => order > 0, false))],
  ['$gte', (operand) => each(ordered(operand, (order) => order >= 0, true))],
  ['$lt', (operand) => each(ordered(operand, (order) => order < 0, false))],
  ['$lte', (operand) => each(ordered(operand, (order) => order <= 0, true))],
  ['$exists', (operand) => whole(existence(operand))],
  ['$type', (operand) => each(typeTest(operand))],
  ['$regex', (operand, options) => each(regexTest(operand, options))],
  ['$mod', (operand) => each(modTest(operand))],
  ['$size', (operand) => whole(sizeTest(operand))],
]);

const each = (test: Predicate): CompiledPredicate => ({ test, elements: true });
const whole = (test: Predicate): CompiledPredicate => ({ test, elements: false });

export function isPredicate(key: string): boolean {
  return PREDICATES.has(key);
}

/** A hint with everything that a value can be asked. */
export function equals(): string {
  return `supported are ${[...PREDICATES.keys(), '$ne', '$nin', '$not', '$all', '$elemMatch'].toSorted().join(', ')}`;
}

/** `key` must be one of these. Throws `TransformProblem` when its operand is not right. */
export function compilePredicate(key: string, operand: unknown, options: unknown): CompiledPredicate {
  const compile = PREDICATES.get(key);
  if (compile === undefined) throw new TypeError(`${key} is no predicate`);
  return compile(operand, options);
}

function equality(operand: unknown): Predicate {
  const wanted = constant(operand);
  if (wanted.type === BsonType.regex) {
    const { pattern, options } = regexParts(wanted);
    return matching(regexOf(pattern, options), wanted);
  }
  if (wanted.type === BsonType.null) return (value) => value === undefined || isNullValue(value);
  if (wanted.type === BsonType.undefined) throw new TransformProblem('a query cannot ask for undefined');
  return (value) => value !== undefined && sameKind(value.type, wanted.type) && compareBson(value, wanted) === 0;
}

function isNullValue({ type }: BsonValue): boolean {
  return type === BsonType.null || type === BsonType.undefined;
}

function membership(operand: unknown): Predicate {
  if (!Array.isArray(operand)) throw new TransformProblem('$in needs a list');
  const tests = operand.map((one) => equality(one));
  return (value) => tests.some((test) => test(value));
}

/** Values of other kinds are neither smaller nor larger; NaN only equals itself. */
function ordered(operand: unknown, holds: (order: number) => boolean, orEqual: boolean): Predicate {
  const wanted = constant(operand);
  if (wanted.type === BsonType.null) return orEqual ? equality(null) : () => false;
  if (wanted.type === BsonType.regex) throw new TransformProblem('a regular expression has no order');
  if (wanted.type === BsonType.minKey || wanted.type === BsonType.maxKey) {
    // The ends of the order are compared with everything, also with what is not there.
    return (value) => holds(compareValues(value, wanted));
  }
  const wantedIsNan = isNan(wanted);
  return (value) => {
    if (value === undefined || !sameKind(value.type, wanted.type)) return false;
    if (wantedIsNan || isNan(value)) return orEqual && wantedIsNan && isNan(value);
    return holds(compareBson(value, wanted));
  };
}

function isNan(value: BsonValue): boolean {
  if (value.type === BsonType.double) return Number.isNaN(approximate(value));
  return value.type === BsonType.decimal128 && Number.isNaN(toDecimal(value));
}

function sameKind(a: number, b: number): boolean {
  if (a === b) return true;
  if (isNumberType(a)) return isNumberType(b);
  return isText(a) && isText(b);
}

function isText(type: number): boolean {
  return type === BsonType.string || type === BsonType.symbol;
}

function existence(operand: unknown): Predicate {
  if (typeof operand !== 'boolean' && typeof operand !== 'number')
    throw new TransformProblem('$exists needs true or false');
  const wanted = Boolean(operand);
  // One way to the field is enough for it to exist, so its absence is the denial of that.
  return (value) => (value !== undefined) === wanted;
}

function typeTest(operand: unknown): Predicate {
  const names: readonly unknown[] = Array.isArray(operand) ? operand : [operand];
  const types = new Set(names.flatMap(typesNamed));
  return (value) => value !== undefined && types.has(value.type);
}

function typesNamed(name: unknown): readonly number[] {
  if (name === 'number') return [BsonType.int32, BsonType.int64, BsonType.double, BsonType.decimal128];
  if (typeof name === 'number') {
    const type = name === -1 ? BsonType.minKey : name;
    if (TYPE_NAMES.has(type)) return [type];
  }
  for (const [type, known] of TYPE_NAMES) if (known === name) return [type];
  throw new TransformProblem(`$type knows no type ${JSON.stringify(name)}`);
}

function regexTest(operand: unknown, options: unknown): Predicate {
  if (options !== undefined && typeof options !== 'string') throw new TransformProblem('$options needs text');
  if (typeof operand === 'string') return matching(regexOf(operand, options ?? ''), undefined);
  if (isMapping(operand) && isExtended(operand)) {
    const value = constant(operand);
    if (value.type === BsonType.regex) {
      const parts = regexParts(value);
      return matching(regexOf(parts.pattern, options ?? parts.options), value);
    }
  }
  throw new TransformProblem('$regex needs text');
}

function matching(pattern: RegExp, same: BsonValue | undefined): Predicate {
  return (value) => {
    if (value === undefined) return false;
    if (isText(value.type)) return pattern.test(textOfValue(value));
    if (value.type !== BsonType.regex) return false;
    if (same !== undefined) return compareBson(value, same) === 0;
    const parts = regexParts(value);
    return parts.pattern === pattern.source && parts.options === pattern.flags.replace('u', '');
  };
}

function regexParts({ bytes }: BsonValue): { readonly pattern: string; readonly options: string } {
  const [pattern = '', options = ''] = asBuffer(bytes).toString('utf8').split('\0');
  return { pattern, options };
}

function modTest(operand: unknown): Predicate {
  const [divisor, remainder] = Array.isArray(operand) ? (operand as readonly unknown[]) : [];
  if (!Number.isSafeInteger(divisor) || !Number.isSafeInteger(remainder) || divisor === 0) {
    throw new TransformProblem('$mod needs a list of two whole numbers: divisor and remainder');
  }
  const [by, rest] = [BigInt(divisor as number), BigInt(remainder as number)];
  return (value) => {
    if (!isNumber(value)) return false;
    const decimal = value.type === BsonType.double ? exactOf(approximate(value)) : toDecimal(value);
    if (decimal === undefined || typeof decimal === 'number') return false;
    const { coefficient, exponent } = decimal;
    const cut = exponent < 0 ? coefficient / 10n ** BigInt(-exponent) : quantize(decimal, 0).coefficient;
    if (cut >= 2n ** 63n || cut < -(2n ** 63n)) return false;
    return cut % by === rest;
  };
}

function exactOf(value: number) {
  return Number.isFinite(value) ? exactDecimal(value) : undefined;
}

function sizeTest(operand: unknown): Predicate {
  if (!Number.isSafeInteger(operand) || (operand as number) < 0)
    throw new TransformProblem('$size needs a whole number');
  return (value) => {
    if (value?.type !== BsonType.array) return false;
    let size = 0;
    for (const _ of fieldsOf(value.bytes)) size++;
    return size === operand;
  };
}
