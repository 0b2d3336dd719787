import { BsonType, bytesMatch } from './elements.ts';
import { type Field, fieldAt, NO_WRAPPER, named, type Unwrap } from './extended-fields.ts';
import { bareDate, date, decimal, double, int32, int64, timestamp } from './extended-numbers.ts';
import {
  binary,
  codeWithScope,
  constant,
  dbPointer,
  objectId,
  regex,
  textual,
  uuid,
  writeBinary,
  writeRegex,
} from './extended-values.ts';

interface Wrapper {
  readonly name: Buffer;
  readonly fields: 1 | 2;
  readonly legacy: boolean;
  readonly unwrap: Unwrap;
}

/**
 * Looks whether the finished document from `start` to `end`, of one or two fields, is a wrapper of Extended JSON; then
 * its value takes its place and its type byte, at `typeAt`, becomes that of the value. Returns where the value ends;
 * it is never longer than its wrapper. What only looks like a wrapper stays as it is.
 */
export function unwrapExtended(out: Buffer, typeAt: number, start: number, end: number, legacy: boolean): number {
  const first = fieldAt(out, start + 4);
  const second = first.end < end - 1 ? fieldAt(out, first.end) : undefined;
  const candidates = BY_LENGTH[first.nameEnd - first.nameAt];
  if (candidates === undefined) return end;
  for (const { name, fields, legacy: isLegacy, unwrap } of candidates) {
    if ((fields === 2) !== (second !== undefined) || (isLegacy && !legacy)) continue;
    if (!bytesMatch(out, first.nameAt, name)) continue;
    const done = unwrap(out, typeAt, start, first, second);
    if (done !== NO_WRAPPER) return done;
  }
  return end;
}

/** A wrapper of two fields: `make` gets them in the order of their names here. */
function twoFields(
  names: readonly [string, string],
  legacy: boolean,
  make: (out: Buffer, typeAt: number, start: number, first: Field, second: Field) => number,
): Wrapper[] {
  const bytes = names.map((name) => Buffer.from(name));
  const side = (from: 0 | 1): Wrapper => ({
    name: bytes[from]!,
    fields: 2,
    legacy,
    unwrap: (out, typeAt, start, first, second) => {
      if (second === undefined || !named(out, second, bytes[1 - from]!)) return NO_WRAPPER;
      return from === 0 ? make(out, typeAt, start, first, second) : make(out, typeAt, start, second, first);
    },
  });
  return [side(0), side(1)];
}

function oneField(name: string, unwrap: Unwrap, legacy = false): Wrapper {
  return { name: Buffer.from(name), fields: 1, legacy, unwrap };
}

const WRAPPERS: readonly Wrapper[] = [
  oneField('$oid', objectId),
  oneField('$numberInt', int32),
  oneField('$numberLong', int64),
  oneField('$numberDouble', double),
  oneField('$numberDecimal', decimal),
  oneField('$date', date),
  oneField('$date', bareDate, true),
  oneField('$timestamp', timestamp),
  oneField('$binary', binary),
  oneField('$uuid', uuid),
  oneField('$regularExpression', regex),
  oneField('$symbol', textual(BsonType.symbol)),
  oneField('$code', textual(BsonType.code)),
  oneField('$dbPointer', dbPointer),
  oneField('$undefined', constant(BsonType.undefined, BsonType.boolean)),
  oneField('$minKey', constant(BsonType.minKey, BsonType.int32)),
  oneField('$maxKey', constant(BsonType.maxKey, BsonType.int32)),
  ...twoFields(['$code', '$scope'], false, codeWithScope),
  ...twoFields(['$binary', '$type'], true, writeBinary),
  ...twoFields(['$regex', '$options'], true, writeRegex),
];

/** The wrappers whose (first) name has this length. */
const BY_LENGTH: (readonly Wrapper[] | undefined)[] = [];
for (const wrapper of WRAPPERS) BY_LENGTH[wrapper.name.length] = [...(BY_LENGTH[wrapper.name.length] ?? []), wrapper];
