import { BSON } from 'bson';

const { Binary, BSONSymbol, Code, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp, UUID } = BSON;

/** Ids of which a collection can have only one. */
const SINGLE: readonly unknown[] = [
  new MinKey(),
  new MaxKey(),
  new Double(Number.NaN),
  new Double(Number.POSITIVE_INFINITY),
  Decimal128.fromString('-Infinity'),
  true,
  false,
  '',
  {},
];

const BY_NUMBER: readonly ((number: number) => unknown)[] = [
  (number) => new Int32(number),
  (number) => Long.fromNumber(2 ** 40 + number),
  (number) => new Double(number + 0.5),
  (number) => Decimal128.fromString(`${number}.25`),
  (number) => `key-${number}`,
  (number) => new BSONSymbol(`symbol-${number}`),
  (number) => new ObjectId(number.toString(16).padStart(24, '0')),
  (number) => new Binary(Buffer.from(`binary-${number}`)),
  (number) => new UUID(number.toString(16).padStart(32, '0')),
  (number) => new Date(number * 1_000 - 10_000_000),
  (number) => new Timestamp({ t: number, i: 1 }),
  (number) => new Code(`f(${number})`),
  (number) => ({ a: new Int32(number), b: `x${number % 3}` }),
  (number) => ({ a: [new Double(number), null] }),
  (number) => ({ a: { b: Long.fromNumber(-number) } }),
];

/** The `_id` of document number `number`: no two are equal, and neighbours have different BSON types. */
export function mixedId(number: number): unknown {
  return number < SINGLE.length ? SINGLE[number] : BY_NUMBER[number % BY_NUMBER.length]?.(number);
}
