import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareBson } from '../../bson/compare.ts';
import { SnapshotRow } from '../../bson/snapshot-row.ts';
import * as b from '../../bson/test-support/bson-bytes.ts';
import { corrupt, randomBytes, randomDocument } from '../../bson/test-support/random-bson.ts';
import { everyType, sampleEvents } from '../../bson/test-support/sample-events.ts';
import type { ChangeEvent } from '../../core/change-event.ts';
import { isDataOperation } from '../../core/change-event.ts';
import type { EncodedRecord } from '../../core/format.ts';
import { seededRandom } from '../../testing/random.ts';
import type { Encoding, FormatConfig } from '../format-config.ts';
import { createFormat } from '../formats.ts';
import { createDecoder } from './decoder.ts';
import type { DecoderName } from './decoder-config.ts';
import { assertUndecodable, encoded, eventOf, identity, message, sentMessage, text } from './decoder-fixture.ts';

const ENCODINGS: readonly Encoding[] = ['relaxed', 'canonical', 'plain', 'bson'];

/** Samples that every format can carry, or filters. */
const samples: readonly (readonly [string, ChangeEvent])[] = [...sampleEvents]
  .filter(([name]) => !name.includes('invalid') && name !== 'insert-without-key')
  .map(([name, raw]) => [name, eventOf(raw)]);

const row = new SnapshotRow(
  {
    namespace: { db: 'shop', coll: 'orders' },
    clusterTime: { t: 0x6b012bb8, i: 99 },
    readAtMs: 1_795_238_840_886,
    positionOf: () => ({ token: '826B012BB9000000052B0229296E04', clusterTime: { t: 0x6b012bb9, i: 5 } }),
  },
  b.document(['_id', b.objectId('6b012bb81d9cffe770fcbfd0')], ['total', b.int64(12n)]),
);

function encode(
  event: ChangeEvent,
  config: Partial<FormatConfig> & Pick<FormatConfig, 'name'>,
): EncodedRecord | undefined {
  return createFormat({ json: 'relaxed', identity, ...config }).encode({ event, namespace: event.namespace });
}

function decode(name: DecoderName, event: ChangeEvent, record: EncodedRecord, withHeaders = false): ChangeEvent {
  const decoded = createDecoder({ name }).decode(sentMessage(event, record, withHeaders));
  assert.ok(decoded);
  return decoded;
}

/** Asserts that the decoded event says all that the original one said. */
function assertSameEvent(decoded: ChangeEvent, original: ChangeEvent, what: string): void {
  assert.equal(decoded.id, original.id, what);
  assert.equal(decoded.op, original.op, what);
  assert.deepEqual(decoded.namespace, original.namespace, what);
  assert.deepEqual(decoded.version, original.version, what);
  assert.equal(decoded.degraded, original.degraded, what);
  assert.deepEqual(decoded.position, message({}).position, 'the position is that of the message');
}

for (const json of ENCODINGS) {
  for (const name of ['change', 'auto'] as const) {
    test(`change in ${json} comes back as it was, read as ${name}`, () => {
      for (const [title, event] of [...samples, ['row', row]] as const) {
        const record = encode(event, { name: 'change', json });
        if (record === undefined) continue; // invalidate
        const decoded = decode(name, event, record);
        assertSameEvent(decoded, event, title);
        // Plain JSON has no type for them; bytes of a value of subtype 2 without its length cannot be kept.
        if (json !== 'plain') assert.equal(text(decoded.raw, json), text(event.raw, json), title);
        if (json === 'bson') assert.deepEqual(decoded.raw, event.raw);
        if (json === 'canonical' && title !== 'insert-every-type') assert.deepEqual(decoded.raw, event.raw, title);
        if (json !== 'plain') assert.equal(decoded.sourceTimeMs, event.sourceTimeMs, title);
      }
    });
  }
}

test('plain JSON loses types, but the key of the record gives the _id its own back, in the document too', () => {
  const event = eventOf(sampleEvents.get('insert-every-type') ?? Buffer.alloc(0));
  for (const config of [
    { name: 'change', json: 'plain' },
    { name: 'document', json: 'plain' },
  ] as const) {
    const record = encode(event, config);
    assert.ok(record);
    const decoded = decode('auto', event, record, config.name === 'document');
    assert.deepEqual(decoded.key(), event.key());
    const after = text(decoded.after()) ?? '';
    assert.ok(after.startsWith('{"_id":{"$oid":"6b012bb81d9cffe770fcbfd0"}'), after);
    assert.ok(after.includes('"objectId":"ffffffffffffffffffffffff"'));
    assert.ok(after.includes('"int64":[{"$numberInt":"1"},{"$numberLong":"9007199254740993"}'));
  }
});

for (const mode of ['structured', 'binary'] as const) {
  for (const json of ENCODINGS) {
    test(`a CloudEvent (${mode}, ${json}) gives the event inside, read as cloudevents or auto`, () => {
      for (const [title, event] of samples) {
        const record = encode(event, { name: 'cloudevents', json, cloudeventsMode: mode });
        if (record === undefined) continue;
        for (const name of ['cloudevents', 'auto'] as const) {
          const decoded = decode(name, event, record);
          assertSameEvent(decoded, event, title);
          if (json !== 'plain') assert.equal(text(decoded.raw, json), text(event.raw, json), title);
        }
      }
    });
  }
}

for (const json of ENCODINGS) {
  test(`document in ${json} with our headers has the key, the document, the id and the version of its event`, () => {
    for (const [title, event] of [...samples, ['row', row]] as const) {
      if (!isDataOperation(event.op) || (event.op !== 'delete' && event.after() === undefined)) continue;
      const record = encode(event, { name: 'document', json });
      assert.ok(record);
      for (const name of ['document', 'auto'] as const) {
        const decoded = decode(name, event, record, true);
        const op = event.op === 'update' ? 'replace' : event.op;
        assertSameEvent(decoded, { ...namesOf(event), op }, title);
        // Numbers in keys may have another type, but never another value.
        assert.ok(isSameKey(decoded.key(), event.key()), `${title} ${text(decoded.key())}`);
        if (json !== 'plain') assert.equal(text(decoded.after(), json), text(event.after(), json), title);
      }
    }
  });
}

for (const documents of ['legacy', 'relaxed', 'canonical'] as const) {
  test(`debezium (${documents}) gives key, images and update back; version and id with our headers`, () => {
    const style = documents === 'relaxed' ? 'relaxed' : 'canonical';
    for (const [title, event] of samples) {
      const record = isDataOperation(event.op)
        ? encode(event, { name: 'debezium', debezium: { documents } })
        : undefined;
      if (record === undefined) continue;
      for (const name of ['debezium', 'auto'] as const) {
        const decoded = decode(name, event, record, true);
        assert.deepEqual([decoded.id, decoded.op], [event.id, event.op], title);
        assert.deepEqual(decoded.version, event.version, title);
        const isRow = event.op === 'snapshot';
        assert.equal(decoded.sourceTimeMs, isRow ? event.version.clusterTime.t * 1000 : event.sourceTimeMs, title);
        // A pointer to a document is a reference in version 1 of Extended JSON.
        if (title !== 'insert-every-type' || documents !== 'legacy') {
          assert.equal(
            text(decoded.after(), style),
            text(event.op === 'delete' ? undefined : event.after(), style),
            title,
          );
        }
        assert.equal(text(decoded.before(), style), text(event.before(), style), title);
        assert.equal(text(decoded.update(), 'relaxed'), text(event.update(), 'relaxed'), title);
        const lsid = event.field('lsid');
        assert.equal(text(decoded.field('lsid')?.bytes), text(lsid?.bytes), title);
        assert.deepEqual(decoded.field('txnNumber'), event.field('txnNumber'), title);
      }
    }
  });
}

test('debezium: the tombstone means nothing, a delete takes its key from the record', () => {
  const event = eventOf(sampleEvents.get('delete') ?? Buffer.alloc(0));
  const record = encode(event, { name: 'debezium' });
  assert.ok(record);
  for (const name of ['debezium', 'auto'] as const) {
    const decoder = createDecoder({ name });
    const decoded = decoder.decode(sentMessage(event, record, false));
    assert.equal(decoded?.op, 'delete');
    assert.equal(text(decoded.key()), '{"_id":{"$numberInt":"7"}}');
    assert.equal(decoder.decode(message({ key: record.key, value: null })), undefined);
  }
});

test("without our headers the version is the broker's time and the place in the topic", () => {
  const decoder = createDecoder({ name: 'auto' });
  const event = eventOf(sampleEvents.get('update-with-images') ?? Buffer.alloc(0));
  const debezium = encode(event, { name: 'debezium' });
  const rowRecord = encode(row, { name: 'debezium' });
  const copy = encode(row, { name: 'kafka-connect' });
  assert.ok(debezium && rowRecord && copy);
  for (const { key, value } of [debezium, rowRecord, copy, { key: '{"_id":1}', value: '{"_id":1}' }]) {
    for (const sequence of [0, 1, 5, 127, 128, 70_000, 2 ** 31, 2 ** 40]) {
      const decoded = decoder.decode(message({ key, value, sequence }));
      assert.deepEqual(decoded?.version, { clusterTime: { t: 1_795_238_841, i: 0 }, ordinal: sequence });
      assert.ok(decoded.id.endsWith(`shop.orders/0@${sequence}`), decoded.id);
      const stored = decoder.decodeStored?.(decoded.raw);
      assert.deepEqual([stored?.id, stored?.version, stored?.op], [decoded.id, decoded.version, decoded.op]);
    }
  }
});

for (const json of ['legacy', 'canonical', 'simplified'] as const) {
  test(`kafka-connect (${json}) gives the event; a copied row is a row of a snapshot`, () => {
    const kafkaConnect = { json, value: 'change', tombstones: false, key: 'document' } as const;
    for (const [title, event] of samples) {
      const record = event.op === 'snapshot' ? undefined : encode(event, { name: 'kafka-connect', kafkaConnect });
      if (record === undefined) continue;
      for (const name of ['kafka-connect', 'auto'] as const) {
        const decoded = decode(name, event, record);
        assertSameEvent(decoded, event, title);
        if (json === 'simplified' || title === 'insert-every-type') continue;
        assert.equal(text(decoded.raw), text(event.raw), title);
      }
    }
    const record = encode(row, { name: 'kafka-connect', kafkaConnect });
    assert.ok(record);
    const decoded = decode('auto', row, record);
    assert.deepEqual([decoded.op, decoded.namespace], ['snapshot', row.namespace]);
    if (json !== 'simplified') assert.deepEqual([decoded.key(), decoded.after()], [row.key(), row.after()]);
    assertSameEvent(decode('auto', row, record, true), row, 'with headers it is the row');
  });
}

test('every type survives the legacy and canonical JSON of the Java driver, but for pointers', () => {
  const raw = sampleEvents.get('insert-every-type') ?? Buffer.alloc(0);
  for (const json of ['legacy', 'canonical'] as const) {
    const kafkaConnect = { json, value: 'change', tombstones: false, key: 'document' } as const;
    const record = encode(eventOf(raw), { name: 'kafka-connect', kafkaConnect });
    assert.ok(record);
    const decoded = text(decode('auto', eventOf(raw), record).after())?.replace(/"dbPointer":.*?}}+,/, '');
    assert.equal(decoded, text(everyType)?.replace(/"dbPointer":.*?}}+,/, ''));
  }
});

test('the event inside a relayed one can be sent on in every format', () => {
  const random = seededRandom(31);
  for (let i = 0; i < 300; i++) {
    const document = randomDocument(random, { libraryTypes: true });
    const fields = b.document(['_id', b.int32(i)], ['v', { type: 0x03, payload: document }]);
    const value = b.document(
      ['_id', b.embedded(['_data', b.string('826B012BB8000000012B022C0100296E5A1004')])],
      ['operationType', b.string('insert')],
      ['clusterTime', b.timestamp(0x6b012bb8, 1)],
      ['fullDocument', { type: 0x03, payload: fields }],
      ['ns', b.embedded(['db', b.string('shop')], ['coll', b.string('orders')])],
      ['documentKey', b.embedded(['_id', b.int32(i)])],
    );
    const event = eventOf(value);
    for (const json of ['canonical', 'bson'] as const) {
      const once = decode('auto', event, encoded(event, json));
      const twice = decode('change', event, encoded(once, json));
      assert.deepEqual(twice.raw, event.raw, `case ${i} ${json}`);
    }
  }
});

test('fuzz: random and mutated messages are events or dead letters, whatever the decoder', () => {
  const random = seededRandom(99);
  const names: readonly DecoderName[] = ['auto', 'change', 'debezium', 'kafka-connect', 'document', 'cloudevents'];
  const decoders = names.map((name) => createDecoder({ name }));
  const records: EncodedRecord[] = [];
  for (const [, event] of samples) {
    for (const json of ENCODINGS) {
      for (const name of ['change', 'document', 'cloudevents', 'debezium', 'kafka-connect'] as const) {
        if ((name === 'debezium' && json === 'bson') || (name === 'document' && event.after() === undefined)) continue;
        const record = encode(event, { name, json });
        if (record !== undefined) records.push(record);
      }
    }
  }
  const mutate = (bytes: Buffer | null) =>
    bytes === null || random.int(4) === 0
      ? bytes
      : random.int(10) === 0
        ? randomBytes(random, 40)
        : corrupt(random, bytes);
  for (let i = 0; i < 20_000; i++) {
    const record = random.pick(records);
    const sent = message({ key: mutate(record.key), value: mutate(record.value), sequence: i });
    const decoder = random.pick(decoders);
    const decoded = decoder.decode(sent);
    if (decoded === undefined) continue;
    assert.ok(decoded.id !== '' && decoded.id.length <= 512 && decoded.op !== '', `case ${i}`);
    assert.ok(Number.isInteger(decoded.version.ordinal) && decoded.raw.byteLength > 0, `case ${i}`);
    assert.equal(decoded.position, sent.position);
    const again = decoder.decodeStored?.(decoded.raw);
    assert.equal(again?.id, decoded.id, `case ${i}`);
  }
});

test('hostile messages end as dead letters', () => {
  const decoder = createDecoder({ name: 'auto' });
  const cases: readonly (readonly [Parameters<typeof message>[0], string])[] = [
    [{ key: '{"_id":1}', value: '{"a":'.repeat(100_000) }, 'json.malformed'],
    [{ key: '{"_id":1}', value: '' }, 'json.malformed'],
    [{ key: '{"_id":1}', value: '{"_id":1,"a":"\\ud800"}' }, 'json.no-bson-form'],
    [{ key: '{"_id":1}', value: Buffer.from('{"_id":1,"a":"\xff"}', 'latin1') }, 'json.malformed'],
    [{ key: '{"_id":1}', value: '[1,2]' }, 'decode.unexpected-form'],
    [{ key: null, value: '{"a":1}' }, 'decode.unexpected-form'],
    [{ key: null, value: null }, 'decode.unexpected-form'],
    [{ key: '{"_id":1}', value: '{"_id":1}', topic: 'orders' }, 'decode.unexpected-form'],
    [{ value: '{"_id":{"_data":"xyz"},"operationType":"insert","ns":{"db":"a"}}' }, 'change-event.incomplete'],
    [
      { value: '{"op":"x","ts_ms":1,"source":{"connector":"mongodb","db":"a","collection":"b"},"after":null}' },
      'decode.unexpected-form',
    ],
  ];
  for (const [parts, code] of cases) assertUndecodable(decoder.decode(message(parts)), code);
  const odd = decoder.decode(message({ value: '{"_id":1,"__proto__":{"polluted":true},"constructor":1}' }));
  assert.equal(text(odd?.after(), 'relaxed'), '{"_id":1,"__proto__":{"polluted":true},"constructor":1}');
  assert.equal(Reflect.get({}, 'polluted'), undefined);
});

/** The members that are compared, as own properties. */
function namesOf(event: ChangeEvent): ChangeEvent {
  const { id, op, namespace, position, version, sourceTimeMs, raw, size, degraded } = event;
  const nothing = (): undefined => undefined;
  return {
    id,
    op,
    namespace,
    position,
    version,
    sourceTimeMs,
    raw,
    size,
    degraded,
    key: nothing,
    after: nothing,
    before: nothing,
    update: nothing,
    field: nothing,
  };
}

function isSameKey(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && compareBson({ type: 0x03, bytes: a }, { type: 0x03, bytes: b }) === 0;
}
