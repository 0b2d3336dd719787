import assert from 'node:assert/strict';
import * as b from '../../bson/test-support/bson-bytes.ts';
import { assertHeld, type Case, describe, keyIn, openAt } from './document-case.ts';
import { documentEvent } from './document-events.ts';

/** A value of every type, for a field and for an `_id`, without what a target may have a rule of its own for. */
const VALUES: Readonly<Record<string, b.Value>> = {
  double: b.double(1.5),
  negativeZero: b.double(-0),
  notANumber: b.double(Number.NaN),
  infinite: b.double(Number.NEGATIVE_INFINITY),
  huge: b.double(1.7976931348623157e308),
  string: b.string('plain "quoted" back\\slash é 漢 😀 \u2028 %/?#'),
  hexText: b.string('6b012bb81d9cffe770fcbfd0'),
  emptyText: b.string(''),
  document: b.embedded(['a', b.embedded(['b', b.int32(1)])]),
  binary: b.binary(0, Buffer.from('bytes')),
  uuid: b.binary(4, Buffer.from('00112233445566778899aabbccddeeff', 'hex')),
  objectId: b.objectId('6b012bb81d9cffe770fcbfd0'),
  false: b.boolean(false),
  date: b.date(1_795_238_840_886n),
  dateBefore: b.date(-(2n ** 63n)),
  null: b.nothing,
  code: b.code('function () { return "x"; }'),
  symbol: b.symbol('symbol'),
  codeWithScope: b.codeWithScope('f(x)', b.document(['x', b.int64(1n)])),
  dbPointer: b.dbPointer('shop.customers', '6b012bb81d9cffe770fcbfd0'),
  int32: b.int32(-7),
  timestamp: b.timestamp(4_294_967_295, 1),
  int64: b.int64(2n ** 63n - 1n),
  decimal: b.decimalOf(12_345n, -3),
  minKey: b.minKey,
  maxKey: b.maxKey,
};

/** Values that no `_id` can have. */
const ONLY_FIELDS: Readonly<Record<string, b.Value>> = {
  array: b.array(b.int32(1), b.int32(2)),
  emptyArray: b.array(),
  regex: b.regex('^a"b$', 'im'),
  undefined: b.undef,
};

/** A document with each type of value, and one with each type of id. */
export async function everyType(c: Case): Promise<void> {
  const fields = Object.entries({ ...VALUES, ...ONLY_FIELDS });
  const withField = fields.map(([type, value], index) =>
    documentEvent({
      op: 'insert',
      coll: c.coll,
      id: b.string(`with-${type}`),
      // Each type in a field of its own, since a target may keep one type per field.
      fields: [[`field_${type}`, value]],
      sequence: index,
    }),
  );
  const withId = Object.values(VALUES).map((id, index) =>
    documentEvent({ op: 'insert', coll: c.coll, id, sequence: 1_000 + index }),
  );
  const events = [...withField, ...withId];
  await using sink = await openAt(c);
  const { delivered, rejections } = await sink.write(events);
  assert.deepEqual(rejections.map(describe), []);
  assert.equal(delivered, events.length);
  assert.equal(
    new Set(events.map((event) => c.nameOf(keyIn(event)))).size,
    events.length,
    'ids have names of their own',
  );
  await assertHeld(c, events);
  const deletes = withId.map((_, index) =>
    documentEvent({
      op: 'delete',
      coll: c.coll,
      id: Object.values(VALUES)[index] ?? b.nothing,
      sequence: 2_000 + index,
    }),
  );
  await sink.write(deletes);
  await assertHeld(c, [...events, ...deletes]);
}
