import type { Context } from 'mingo/core';
import { arrayValue } from '../../bson/build-document.ts';
import { asBuffer, BsonType } from '../../bson/elements.ts';
import {
  booleanValue,
  int32Value,
  NULL_VALUE,
  stringValue,
  textOfValue,
  wholeNumberOf,
} from '../../bson/make-values.ts';
import { ValueProblem } from '../problem.ts';
import { elementsOf, isNullish, type Value } from './scope.ts';
import { coerced } from './texts.ts';
import { isNumber, smallWhole, typeName } from './values.ts';

/*
 * Operators over texts and dates that are those of the mingo library: of its operators the ones that give what MongoDB gives.
 * They see plain values only; numbers are handed over when they are whole.
 */

/** What an operator takes: a list of arguments, one argument, or named ones. */
export type Arguments = 'list' | 'one' | { readonly required: readonly string[]; readonly optional: readonly string[] };

const REPLACE: Arguments = { required: ['input', 'find', 'replacement'], optional: [] };

/** The operators, with their arguments; a number is how many there must be. */
export const LIBRARY: ReadonlyMap<string, { readonly takes: Arguments; readonly count?: number }> = new Map<
  string,
  { readonly takes: Arguments; readonly count?: number }
>([
  ['$concat', { takes: 'list' }],
  ['$split', { takes: 'list', count: 2 }],
  ['$substrCP', { takes: 'list', count: 3 }],
  ['$strLenCP', { takes: 'one' }],
  ['$replaceOne', { takes: REPLACE }],
  ['$replaceAll', { takes: REPLACE }],
  ...['$year', '$month', '$dayOfMonth', '$hour', '$minute', '$second', '$millisecond', '$dayOfWeek', '$dayOfYear'].map(
    (name) => [name, { takes: 'one' as const }] as const,
  ),
  ['$dateToString', { takes: { required: ['date', 'format'], optional: ['onNull'] } }],
]);

/** What `$dateToString` may show; the others differ between the two. */
const DATE_FORMAT = /^([^%]|%[YmdHMSLj])*$/;

type ExpressionOps = NonNullable<NonNullable<Parameters<typeof Context.init>[0]>['expression']>;

type LibraryOperator = (object: unknown, expression: unknown, options: unknown) => unknown;

interface Loaded {
  readonly operators: Readonly<Record<string, LibraryOperator | undefined>>;
  readonly options: unknown;
}

const LITERAL = { $literal: (_object: unknown, value: unknown): unknown => value } as unknown as ExpressionOps;

let loaded: Loaded | undefined;

/** Must have resolved before an expression with one of the operators is evaluated. */
export async function loadLibrary(): Promise<void> {
  if (loaded !== undefined) return;
  const [core, strings, dates] = await Promise.all([
    import('mingo/core'),
    import('mingo/operators/expression/string'),
    import('mingo/operators/expression/date'),
  ]);
  const context = core.Context.init({ expression: LITERAL });
  const options = { idKey: '_id', scriptEnabled: false, failOnError: true, useStrictMode: true, context };
  loaded = { operators: { ...strings, ...dates } as unknown as Loaded['operators'], options };
}

/** Calls an operator with values; `named` for those with named arguments. */
export function callLibrary(name: string, takes: Arguments, values: readonly Value[], names: readonly string[]): Value {
  const operator = loaded?.operators[name];
  if (operator === undefined) throw new TypeError(`${name} was called before it was loaded`);
  // Literals, because a text that begins with $ would be taken for a path.
  const literals = values.map((value, index) => ({
    $literal: plain(name, name === '$substrCP' && index === 0 && !isNullish(value) ? coerced(name, value) : value),
  }));
  if (name === '$split' && values[1]?.type === BsonType.string && textOfValue(values[1]) === '') {
    throw new ValueProblem('$split needs a separator that is not empty');
  }
  if (NULL_GIVES_NULL.has(name) && isNullish(values[0])) return NULL_VALUE;
  const given =
    takes === 'list'
      ? literals
      : takes === 'one'
        ? literals[0]
        : Object.fromEntries(names.map((key, i) => [key, literals[i]]));
  let result: unknown;
  try {
    result = operator({}, given, loaded?.options);
  } catch (cause) {
    throw new ValueProblem(`${name} cannot take ${values.map(typeName).join(', ') || 'these values'}${detail(cause)}`);
  }
  return asValue(result);
}

/** The operators that give null when there is no date. */
const NULL_GIVES_NULL = new Set(
  [...LIBRARY.keys()].filter((name) => LIBRARY.get(name)?.takes === 'one' && name !== '$strLenCP'),
);

/** What is wrong with the written form of an operator, or undefined. */
export function libraryProblem(name: string, body: unknown): string | undefined {
  if (name !== '$dateToString') return undefined;
  const format = (body as { readonly format?: unknown }).format;
  if (typeof format === 'string' && DATE_FORMAT.test(format)) return undefined;
  return 'the format of $dateToString must be text with %Y %m %d %H %M %S %L %j only';
}

function detail(cause: unknown): string {
  return cause instanceof Error && /expression must resolve to/.test(cause.message) ? `: ${cause.message}` : '';
}

/** As the library wants it. */
function plain(name: string, value: Value): unknown {
  if (isNullish(value)) return null;
  const { type, bytes } = value;
  if (type === BsonType.string) return textOfValue(value);
  if (type === BsonType.boolean) return bytes[0] === 1;
  if (type === BsonType.date) return new Date(Number(wholeNumberOf(value)));
  if (type === BsonType.objectId) return new Date(asBuffer(bytes).readUInt32BE(0) * 1000);
  if (type === BsonType.timestamp) return new Date(asBuffer(bytes).readUInt32LE(4) * 1000);
  if (isNumber(value)) return smallWhole(value, `a number of ${name}`);
  if (type === BsonType.array) return elementsOf(value).map((element) => plain(name, element));
  throw new ValueProblem(`${name} cannot take ${typeName(value)}`);
}

function asValue(result: unknown): Value {
  if (result === undefined || result === null) return NULL_VALUE;
  if (typeof result === 'string') return stringValue(result);
  if (typeof result === 'boolean') return booleanValue(result);
  if (typeof result === 'number' && Number.isInteger(result)) return int32Value(result);
  if (Array.isArray(result)) return arrayValue(result.map((element) => asValue(element) ?? NULL_VALUE));
  throw new ValueProblem('a date or text is beyond what can be calculated with');
}
