import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON, type Document, Long } from 'mongodb';
import {
  createCommand,
  createIndexesCommand,
  indexesOf,
  modifyCommand,
  optionsOf,
  type TtlSetting,
} from './commands.ts';
import { readDdl } from './ddl-event.ts';
import { madeEvent } from './ddl-fixture.ts';
import type { Fields } from './raw-fields.ts';

const APPLY: TtlSetting = { ttl: 'apply' };
const HOLD: TtlSetting = { ttl: 'hold' };

function described(operationDescription: Document, operationType = 'create'): Fields {
  const event = madeEvent({ operationType, ns: { db: 'shop', coll: 'orders' }, operationDescription });
  return readDdl(event).description;
}

/** The command as the server gets it. */
function sent(command: Document | undefined): Document | undefined {
  return command && BSON.deserialize(BSON.serialize(command));
}

const buckets = (unpack: Document) => ({
  viewOn: 'system.buckets.orders',
  pipeline: [{ $_internalUnpackBucket: unpack }],
});

const CREATED: readonly (readonly [string, Document, Document, TtlSetting & { viewOn?: string }])[] = [
  ['nothing but its own index', { idIndex: { v: 2, key: { _id: 1 } }, temp: true, uuid: 1, flags: 1 }, {}, APPLY],
  ['a capped one', { capped: true, size: 4096 }, { capped: true, size: 4096 }, APPLY],
  [
    'a collation of any version',
    { collation: { locale: 'de', version: '58.1' } },
    { collation: { locale: 'de' } },
    APPLY,
  ],
  ['one whose documents expire', { expireAfterSeconds: 5, capped: false }, { capped: false }, HOLD],
  ['a view', { viewOn: 'a', pipeline: [] }, { viewOn: 'b', pipeline: [] }, { ...APPLY, viewOn: 'b' }],
  [
    'a time series as listed',
    { timeseries: { timeField: 't', granularity: 'hours', bucketMaxSpanSeconds: 2_592_000 }, expireAfterSeconds: 9 },
    { expireAfterSeconds: 9, timeseries: { timeField: 't', granularity: 'hours' } },
    APPLY,
  ],
  [
    'a time series as the stream shows it',
    buckets({ timeField: 't', metaField: 'm', bucketMaxSpanSeconds: 86_400 }),
    { timeseries: { timeField: 't', metaField: 'm', granularity: 'minutes' } },
    APPLY,
  ],
  [
    'a time series with buckets of its own size',
    buckets({ timeField: 't', bucketMaxSpanSeconds: 500 }),
    { timeseries: { timeField: 't', bucketMaxSpanSeconds: 500, bucketRoundingSeconds: 500 } },
    APPLY,
  ],
];

test('what was created is created again, without what is only true of the source', () => {
  for (const [what, description, options, setting] of CREATED) {
    const command = createCommand('orders', optionsOf(described(description), setting));
    assert.deepEqual(sent(command), { create: 'orders', ...options }, what);
  }
});

test('values keep their bytes: types of numbers, and the order of fields whose names are numbers', () => {
  const validator = { a: { $gt: Long.fromNumber(5) } };
  const command = createCommand('orders', optionsOf(described({ validator }), APPLY));
  const bytes = BSON.serialize(command);
  assert.deepEqual(BSON.deserialize(bytes, { promoteValues: false })['validator'], validator);
  // As JavaScript has no such order, the bytes are put together from those of a map.
  const key = new Map([
    ['b', 1],
    ['1', 1],
  ]);
  const description = described({ indexes: [{ v: 2, key, name: 'odd' }] }, 'createIndexes');
  const made = Buffer.from(BSON.serialize(createIndexesCommand('orders', indexesOf(description, APPLY))));
  assert.ok(made.includes(Buffer.from(BSON.serialize(key))));
});

test('an index without a collation does not get that of its collection; of another one the version is left out', () => {
  const indexes = [
    { key: { a: 1 }, name: 'a', ns: 'shop.orders', background: true, expireAfterSeconds: 5 },
    { key: { b: 1 }, name: 'b', collation: { locale: 'sv', version: '57.1' } },
  ];
  const wanted = (ttl: object) => [
    { key: { a: 1 }, name: 'a', ...ttl, collation: { locale: 'simple' } },
    { key: { b: 1 }, name: 'b', collation: { locale: 'sv' } },
  ];
  const made = (setting: TtlSetting) => {
    const command = createIndexesCommand('orders', indexesOf(described({ indexes }, 'createIndexes'), setting));
    return sent(command);
  };
  assert.deepEqual(made(APPLY), { createIndexes: 'orders', indexes: wanted({ expireAfterSeconds: 5 }) });
  assert.deepEqual(made(HOLD), { createIndexes: 'orders', indexes: wanted({}) });
});

const MODIFIED: readonly (readonly [Document, Document | undefined, TtlSetting & { viewOn?: string }])[] = [
  [{ validator: {} }, { validator: {} }, APPLY],
  [{}, undefined, APPLY],
  [{ index: { name: 'a', hidden: true } }, { index: { name: 'a', hidden: true } }, HOLD],
  [{ index: { name: 'a', expireAfterSeconds: 5 } }, { index: { name: 'a', expireAfterSeconds: 5 } }, APPLY],
  [{ index: { name: 'a', expireAfterSeconds: 5 } }, undefined, HOLD],
  [{ expireAfterSeconds: 'off' }, undefined, HOLD],
  [
    { viewOn: 'a', pipeline: [], collation: { locale: 'de' } },
    { viewOn: 'b', pipeline: [] },
    { ...APPLY, viewOn: 'b' },
  ],
  [
    buckets({ timeField: 't', metaField: 'm', bucketMaxSpanSeconds: 3_600 }),
    { timeseries: { granularity: 'seconds' } },
    APPLY,
  ],
];

test('what was changed is changed again', () => {
  for (const [description, options, setting] of MODIFIED) {
    const command = modifyCommand('orders', described(description, 'modify'), setting);
    assert.deepEqual(sent(command), options && { collMod: 'orders', ...options });
  }
});
