import { BSON } from 'bson';
import { mixedId } from '../src/testing/mixed-ids.ts';

const { Decimal128, Double, Long, Timestamp } = BSON;

const LONG_ID_CHARACTERS = 1_000_000;
const IDS_OF_EVERY_TYPE = 40;

/** A document as most others of its collection are. */
export function goodDocument(number: number): { _id: unknown; [field: string]: unknown } {
  return {
    _id: number,
    label: `good ${number}`,
    nested: { a: number },
    when: new Date(1_760_000_000_000 + number * 1_000),
    amount: new Double(number + 0.5),
    count: number,
    tags: ['a', 'b'],
  };
}

function deep(levels: number): object {
  let value: object = { end: true };
  for (let level = 1; level < levels; level++) value = { d: value };
  return value;
}

function wide(fields: number): object {
  return Object.fromEntries(Array.from({ length: fields }, (_, n) => [`field${n}`, n]));
}

/** What targets may refuse, by what is odd in it. Field names that are in `goodDocument` have other types here. */
const ODD: Readonly<Record<string, object>> = {
  'text where an object is': { nested: 'text' },
  'an object where text is': { label: { a: 1 } },
  'text where a date is': { when: 'yesterday' },
  'text where a number is': { amount: 'much', count: 'many' },
  'no number': { amount: new Double(Number.NaN), count: new Double(Number.POSITIVE_INFINITY) },
  'numbers of all sizes': {
    amount: Long.MAX_VALUE,
    count: Long.MIN_VALUE,
    large: 1.7976931348623157e308,
    huge: Decimal128.fromString('9.999999999999999999999999999999999E+6144'),
    exact: Decimal128.fromString('12345678901234567890.1234567890123'),
  },
  'a number too large for its field': { count: Decimal128.fromString('1E+6000') },
  'an empty name': { '': 1 },
  'an empty name inside': { nested: { '': 1 } },
  'an empty part of a name': { 'a..b': 1 },
  'a dot alone': { '.': 1 },
  'a dot at the end': { 'a.': 1 },
  'a dotted name beside an object': { 'nested.a': 1, nested: { a: 2 } },
  'names with dollars': { $set: { a: 1 }, inner: { $inc: 1 } },
  'names of JavaScript': JSON.parse('{"__proto__": {"a": 1}, "constructor": 1, "toString": "x"}') as object,
  'names of the index': { _index: 'x', _source: { a: 1 }, _routing: 'r' },
  'a name of spaces': { ' ': 1, '\t': 2 },
  'depth of 30': { deep: deep(30) },
  'depth of 140': { deep: deep(140) },
  'a NUL character': { label: 'a\u0000b' },
  'a NUL character inside': { nested: { text: ['\u0000'] } },
  'a date far away': { when: new Date(8_640_000_000_000_000), before: new Date(-8_640_000_000_000_000) },
  'an empty timestamp': { stamp: new Timestamp(0n) },
  'a long text': { label: 'x'.repeat(40_000) },
  'two thousand fields': wide(2_000),
  'an array of types': { mixed: [1, 'a', { a: 1 }, [2], null, new Date(0)] },
};

/** A document with something odd, and what that is. Ids are numbers. */
export interface OddDocument {
  readonly what: string;
  readonly document: { readonly _id: number };
}

/** Documents with one odd thing each. */
export function oddDocuments(firstId: number): readonly OddDocument[] {
  return Object.entries(ODD).map(([what, fields], index) => ({
    what,
    document: { ...goodDocument(firstId + index), ...fields, _id: firstId + index },
  }));
}

/** Documents that are good but for their ids: of every type, and a very long one. */
export function documentsWithOddIds(): readonly { _id: unknown }[] {
  const ids = Array.from({ length: IDS_OF_EVERY_TYPE }, (_, number) => mixedId(number));
  return [...ids, 'x'.repeat(LONG_ID_CHARACTERS)].map((_id) => ({ ...goodDocument(0), _id }));
}
