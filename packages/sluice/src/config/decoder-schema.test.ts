import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decoderSetting } from './decoder-schema.ts';

test('a format is a name or a mapping with options, auto by default', () => {
  assert.deepEqual(decoderSetting.parse(undefined), { name: 'auto' });
  for (const name of ['auto', 'change', 'debezium', 'kafka-connect', 'document', 'cloudevents']) {
    assert.deepEqual(decoderSetting.parse(name), { name });
    assert.deepEqual(decoderSetting.parse({ name, headerPrefix: 'x-' }), { name, headerPrefix: 'x-' });
  }
  const document = { name: 'document', namespace: { db: 'shop', coll: 'orders' } };
  assert.deepEqual(decoderSetting.parse(document), document);
  for (const name of ['auto', 'kafka-connect', 'document']) {
    assert.deepEqual(decoderSetting.parse({ name, key: 'text' }), { name, key: 'text' });
  }
});

test('options that a format does not have are refused', () => {
  const wrong = [
    'avro',
    { name: 'change', namespace: { db: 'shop', coll: 'orders' } },
    { name: 'document', namespace: 'shop.orders' },
    { name: 'document', namespace: { db: 'shop' } },
    { name: 'auto', headerPrefix: 'a b' },
    { name: 'auto', key: 'number' },
    { name: 'debezium', key: 'text' },
  ];
  for (const setting of wrong) assert.equal(decoderSetting.safeParse(setting).success, false, JSON.stringify(setting));
});
