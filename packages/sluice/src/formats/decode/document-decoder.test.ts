import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as b from '../../bson/test-support/bson-bytes.ts';
import { keyToken } from '../../connectors/nats/subject-token.ts';
import type { BrokerMessage } from '../../core/broker-message.ts';
import { createDecoder } from './decoder.ts';
import { assertUndecodable, message, text } from './decoder-fixture.ts';
import { messageOfRaw } from './undecodable-message.ts';

const OID = '6b012bb81d9cffe770fcbfd0';

function decode(parts: Parameters<typeof message>[0], namespace?: { db: string; coll: string }) {
  const event = createDecoder({ name: 'document', namespace }).decode(message(parts));
  assert.ok(event);
  return event;
}

test('a value is the document now, its namespace the topic cut at its first dot', () => {
  const event = decode({ key: '{"_id":7}', value: '{"_id":7,"name":"x","at":{"$date":0}}', topic: 'shop.orders.eu' });
  assert.equal(event.op, 'replace');
  assert.deepEqual(event.namespace, { db: 'shop', coll: 'orders.eu' });
  assert.equal(text(event.key(), 'relaxed'), '{"_id":7}');
  assert.equal(event.sourceTimeMs, 1_795_238_841_000);
  assert.deepEqual(decode({ value: '{"_id":7}', topic: 'x' }, { db: 'a', coll: 'b' }).namespace, {
    db: 'a',
    coll: 'b',
  });
});

test('what the key of a message may be, with a value and with a null', () => {
  const cases: readonly (readonly [key: string, value: string, key: string, after: string])[] = [
    ['{"_id":7}', '{"_id":7.0,"a":1}', '{"_id":7.0}', '{"_id":7.0,"a":1}'],
    [
      `{"_id":{"$oid":"${OID}"}}`,
      `{"a":1,"_id":"${OID}"}`,
      `{"_id":{"$oid":"${OID}"}}`,
      `{"a":1,"_id":{"$oid":"${OID}"}}`,
    ],
    ['{"region":"eu","_id":7}', '{"_id":7}', '{"region":"eu","_id":7}', '{"_id":7}'],
    [
      '{"id":"{\\"$oid\\": \\"6b012bb81d9cffe770fcbfd0\\"}"}',
      '{"a":1}',
      `{"_id":{"$oid":"${OID}"}}`,
      `{"_id":{"$oid":"${OID}"},"a":1}`,
    ],
    ['{"id":"plain"}', '{"a":1}', '{"_id":"plain"}', '{"_id":"plain","a":1}'],
    ['{"schema":{"type":"struct"},"payload":{"id":"7"}}', '{"a":1}', '{"_id":7}', '{"_id":7,"a":1}'],
    ['{"a":1,"b":2}', '{"c":1}', '{"_id":{"a":1,"b":2}}', '{"_id":{"a":1,"b":2},"c":1}'],
    ['42', '{"a":1}', '{"_id":42}', '{"_id":42,"a":1}'],
    ['"text"', '{"a":1}', '{"_id":"text"}', '{"_id":"text","a":1}'],
    ['order-17', '{"a":1}', '{"_id":"order-17"}', '{"_id":"order-17","a":1}'],
    ['-42', '{"a":1}', '{"_id":-42}', '{"_id":-42,"a":1}'],
    ['9007199254740993', '{"a":1}', '{"_id":9007199254740993}', '{"_id":9007199254740993,"a":1}'],
    ['9223372036854775807', '{"a":1}', '{"_id":9223372036854775807}', '{"_id":9223372036854775807,"a":1}'],
    ...['9223372036854775808', '12345678901234567890', '1e5', '1.0', '-0', '007', '+1', 'NaN', 'true', ' 1', '-'].map(
      (text) => [text, '{"a":1}', `{"_id":"${text}"}`, `{"_id":"${text}","a":1}`] as const,
    ),
    ['order-17', '{"_id":17}', '{"_id":17}', '{"_id":17}'],
    ['{"_id":{"_data":"826B"}}', '{"_id":17}', '{"_id":17}', '{"_id":17}'],
    ['{"_id":{"_id":17,"copyingData":true}}', '{"_id":17}', '{"_id":17}', '{"_id":17}'],
  ];
  for (const [key, value, expectedKey, after] of cases) {
    const event = decode({ key, value });
    assert.deepEqual([text(event.key(), 'relaxed'), text(event.after(), 'relaxed')], [expectedKey, after], key);
  }
  for (const [key, , expectedKey] of cases.filter(
    ([key, value]) => !key.includes('_data') && value.includes('"a":1'),
  )) {
    const event = decode({ key });
    assert.equal(event.op, 'delete');
    assert.equal(text(event.key(), 'relaxed'), expectedKey.replace('7.0', '7'));
  }
  assertUndecodable(decode({ key: '{"_id":{"_data":"826B"}}' }), 'decode.unexpected-form');
  assertUndecodable(decode({ key: Buffer.from([0xff, 0xfe]), value: '{"a":1}' }), 'decode.unexpected-form');
});

test('the option `key` says what bare keys are', () => {
  const cases: readonly (readonly [key: string, text: string | undefined, json: string | undefined])[] = [
    ['12345', '{"_id":"12345"}', '{"_id":12345}'],
    ['1e5', '{"_id":"1e5"}', '{"_id":100000.0}'],
    ['true', '{"_id":"true"}', '{"_id":true}'],
    ['null', '{"_id":"null"}', undefined],
    ['"x"', '{"_id":"\\"x\\""}', '{"_id":"x"}'],
    ['{"_id":7}', '{"_id":"{\\"_id\\":7}"}', '{"_id":7}'],
    ['order-17', '{"_id":"order-17"}', undefined],
  ];
  for (const [key, ...expected] of cases) {
    for (const [index, form] of (['text', 'json'] as const).entries()) {
      for (const name of ['document', 'kafka-connect', 'auto'] as const) {
        const event = createDecoder({ name, key: form }).decode(message({ key }));
        assert.ok(event);
        if (expected[index] === undefined) assertUndecodable(event, 'decode.unexpected-form');
        else assert.equal(text(event.key(), 'relaxed'), expected[index], `${key} as ${form}`);
      }
    }
  }
  const headers = {
    'sluice.op': 'delete',
    'sluice.ns': 'shop.orders',
    'sluice.ts': '1795238840,7',
    'sluice.id': '826B012BB8000000072B022C0100296E5A1004',
  };
  const subject = createDecoder({ name: 'auto', key: 'text' });
  const event = subject.decode(message({ topic: 'cdc.shop.orders.7', value: '', headers }));
  assert.equal(text(event?.key(), 'relaxed'), '{"_id":7}', 'keys in subjects are those of this program');
});

test('a replace and a delete of a text key that looks like a number are of one document with `key: text`', () => {
  const decoder = createDecoder({ name: 'document', key: 'text' });
  const replace = decoder.decode(message({ key: '12345', value: '{"_id":"12345","a":1}' }));
  const gone = decoder.decode(message({ key: '12345', sequence: 6 }));
  assert.deepEqual(gone?.key(), replace?.key());
});

test('a document whose _id is replaced keeps all of its other bytes', () => {
  const name = Buffer.from('caf\xe9', 'latin1');
  const value = b.document(['a', b.int32(1)], ['_id', b.string('7')], [name, b.nothing], ['_id', b.int32(8)]);
  const after = b.document(['a', b.int32(1)], ['_id', b.int32(7)], [name, b.nothing], ['_id', b.int32(8)]);
  assert.deepEqual(decode({ key: '{"_id":7}', value }).after(), after);
  assert.deepEqual(
    decode({ key: '{"_id":7}', value: b.document(['a', b.nothing]) }).after(),
    b.document(['_id', b.int32(7)], ['a', b.nothing]),
  );
});

test('values in BSON, in text, with a schema or behind the id of one are documents', () => {
  const bson = b.document(['_id', b.int32(7)], ['n', b.int64(1n)]);
  const values = [
    bson,
    '{"_id":7,"n":{"$numberLong":"1"}}',
    JSON.stringify('{"_id":7,"n":{"$numberLong":"1"}}'),
    '{"schema":null,"payload":{"_id":7,"n":{"$numberLong":"1"}}}',
    Buffer.concat([Buffer.from([0, 0, 0, 0, 9]), Buffer.from('{"_id":7,"n":{"$numberLong":"1"}}')]),
  ];
  for (const value of values) assert.deepEqual(decode({ value }).after(), bson, String(value));
  assert.equal(decode({ key: '7', value: '{"schema":null,"payload":null}' }).op, 'delete');
  assert.equal(decode({ key: '7', value: 'null' }).op, 'delete');
});

test('a message of JetStream has its key in the subject, and is empty for a delete', () => {
  const ids: readonly b.Value[] = [
    b.objectId(OID),
    b.string(OID),
    b.string('order 17.€'),
    b.string(''),
    b.string('_'),
    b.string('null'),
    b.string('7'),
    b.int32(7),
    b.double(-1.5),
    b.double(Number.NaN),
    b.nothing,
    b.boolean(true),
    b.date(0n),
    b.embedded(['a', b.int32(1)], ['b', b.string('x')]),
  ];
  for (const id of ids) {
    const key = b.document(['_id', id]);
    const headers = {
      'sluice.op': 'delete',
      'sluice.ns': 'shop.order items',
      'sluice.ts': '1795238840,7',
      'sluice.id': '826B012BB8000000072B022C0100296E5A1004',
    };
    const topic = `cdc.shop.order%20items.${keyToken(key)}`;
    const event = createDecoder({ name: 'auto' }).decode(message({ topic, value: '', headers }));
    assert.equal(event?.op, 'delete', topic);
    assert.equal(text(event.key()), text(key), topic);
    assert.deepEqual(event.namespace, { db: 'shop', coll: 'order items' });
    assert.deepEqual(event.version, { clusterTime: { t: 1_795_238_840, i: 7 }, ordinal: 0 });
    const plain = decode({ topic, value: '{"_id":"text","a":1}', headers: { ...headers, 'sluice.op': 'update' } });
    assert.equal(text(plain.key()), text(key));
    assertUndecodable(decode({ topic: 'cdc.shop.other.7', value: '', headers }), 'decode.unexpected-form');
    assertUndecodable(decode({ topic, value: '' }), 'json.malformed');
  }
});

test('a message that cannot be decoded is kept whole, and can be decoded again', () => {
  const headers = { 'content-type': 'application/json', 'odd-\u00e9': 'x' };
  const sent: BrokerMessage = message({
    key: Buffer.from([0xff, 0]),
    value: 'not JSON',
    headers,
    topic: 'orders',
    sequence: 2 ** 40,
  });
  const broken = createDecoder({ name: 'document' });
  const event = broken.decode(sent);
  assertUndecodable(event, 'json.malformed');
  assert.equal(event?.id, broken.decode(sent)?.id);
  assert.notEqual(event?.id, broken.decode(message({ value: 'not JSON', sequence: 6 }))?.id);
  assert.deepEqual(event?.version, { clusterTime: { t: 1_795_238_841, i: 0 }, ordinal: 2 ** 40 });
  const { position: _position, ...stored } = sent;
  assert.deepEqual(
    plainMessage(messageOfRaw(event?.raw ?? Buffer.alloc(0))),
    plainMessage({ ...stored, seconds: 1_795_238_841 }),
  );
  assertUndecodable(broken.decodeStored?.(event?.raw ?? Buffer.alloc(0)), 'json.malformed');

  const nowhere = createDecoder({ name: 'document' }).decode(message({ topic: 'orders', key: '7', value: '{"a":1}' }));
  const again = createDecoder({ name: 'document', namespace: { db: 'shop', coll: 'orders' } });
  const repaired = again.decodeStored?.(nowhere?.raw ?? Buffer.alloc(0));
  assert.equal(text(repaired?.after(), 'relaxed'), '{"_id":7,"a":1}');
  assert.deepEqual(repaired?.namespace, { db: 'shop', coll: 'orders' });
});

test('only the raw form of such a message is taken for one', () => {
  for (const raw of [
    b.document(),
    b.document(['_id', b.int32(1)]),
    Buffer.from('x'),
    b.document(['_sluiceMessage', b.embedded()]),
  ]) {
    assert.equal(messageOfRaw(raw), undefined);
  }
});

/** With views as buffers, for comparing. */
function plainMessage(stored: ReturnType<typeof messageOfRaw>) {
  assert.ok(stored);
  const bytes = (value: Uint8Array | null) => (value === null ? null : Buffer.from(value));
  const headers = [...stored.headers].map(([name, value]) => [name, bytes(value)]);
  return { ...stored, key: bytes(stored.key), value: bytes(stored.value), headers };
}
