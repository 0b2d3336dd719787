import { BsonType } from '../../bson/elements.ts';
import { booleanValue, NULL_VALUE, stringValue, textOfValue } from '../../bson/make-values.ts';
import type { BsonValue } from '../../core/change-event.ts';
import { ValueProblem } from '../problem.ts';
import { toText } from './conversions.ts';
import { isNullish, type Value } from './scope.ts';
import { isNumber, typeName } from './values.ts';

/** `$toLower` and `$toUpper`: the letters of ASCII only, as MongoDB does it. */
export function changeCase([value]: readonly Value[], upper: boolean): Value {
  if (isNullish(value)) return stringValue('');
  const text = coerced(upper ? '$toUpper' : '$toLower', value);
  const change = (letters: string) => (upper ? letters.toUpperCase() : letters.toLowerCase());
  return stringValue(textOfValue(text).replace(/[A-Za-z]+/g, change));
}

/** A text, or a number or date as text: what operators over texts take. */
export function coerced(operator: string, value: BsonValue): BsonValue {
  const takes = value.type === BsonType.string || value.type === BsonType.symbol || value.type === BsonType.date;
  const text = takes || isNumber(value) ? toText([value]) : undefined;
  if (text === undefined) throw new ValueProblem(`${operator} cannot take ${typeName(value)}`);
  return text;
}

/** What `$trim` takes away by itself. */
const SPACES = '\0 \t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a';

/** `$trim`, `$ltrim` and `$rtrim`. */
export function trim(operator: string, [input, chars]: readonly Value[], hasChars: boolean): Value {
  if (isNullish(input) || (hasChars && isNullish(chars))) return NULL_VALUE;
  const unwanted = new Set(hasChars ? text(operator, chars) : SPACES);
  const points = Array.from(text(operator, input));
  let from = 0;
  let to = points.length;
  if (operator !== '$rtrim') while (from < to && unwanted.has(points[from] as string)) from++;
  if (operator !== '$ltrim') while (to > from && unwanted.has(points[to - 1] as string)) to--;
  return stringValue(points.slice(from, to).join(''));
}

/** `$regexMatch` with an expression that was written in the configuration. */
export function regexMatch(pattern: RegExp, [input]: readonly Value[]): Value {
  if (isNullish(input)) return booleanValue(false);
  return booleanValue(pattern.test(text('$regexMatch', input)));
}

function text(operator: string, value: Value): string {
  if (value?.type !== BsonType.string && value?.type !== BsonType.symbol) {
    throw new ValueProblem(`${operator} needs text, not ${typeName(value)}`);
  }
  return textOfValue(value);
}
