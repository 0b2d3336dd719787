import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OrderingKeys } from '../../bson/ordering-key.ts';
import { formatNamespace } from '../../core/change-event.ts';
import type { FormatConfig } from '../format-config.ts';
import { createFormat } from '../formats.ts';
import { createDecoder } from './decoder.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { assertUndecodable, identity, message } from './decoder-fixture.ts';

const BROKEN = '{"a":';
const ENVELOPE =
  '{"op":"u","ts_ms":1,"source":{"connector":"mongodb","db":"shop","collection":"orders"},"after":"{\\"_id\\": 7}"}';

function decoded(config: DecoderConfig, parts: Parameters<typeof message>[0], before?: Parameters<typeof message>[0]) {
  const decoder = createDecoder(config);
  if (before !== undefined) assert.ok(decoder.decode(message({ sequence: 1, ...before })));
  const event = decoder.decode(message(parts));
  assert.ok(event);
  return event;
}

test('a message that cannot be decoded has the ordering key and the namespace of its document', () => {
  const headers = {
    'sluice.op': 'update',
    'sluice.ns': 'shop.carts',
    'sluice.ts': '1795238840,7',
    'sluice.id': '826B012BB8000000072B022C0100296E5A1004',
  };
  const elsewhere = { db: 'a', coll: 'b' };
  const cases: readonly (readonly [
    config: DecoderConfig,
    broken: Parameters<typeof message>[0],
    whole: Parameters<typeof message>[0],
    namespace: string,
  ])[] = [
    [{ name: 'document' }, { key: '{"_id":7}' }, { key: '{"_id":7}', value: '{"_id":7}' }, 'shop.orders'],
    [{ name: 'document', key: 'text' }, { key: '7' }, { key: '7', value: '{"_id":"7"}' }, 'shop.orders'],
    [{ name: 'document', namespace: elsewhere }, { key: '7' }, { key: '7', value: '{"a":1}' }, 'a.b'],
    [{ name: 'auto' }, { key: '7', headers }, { key: '7', value: '{"_id":7}', headers }, 'shop.carts'],
    [
      { name: 'debezium' },
      { key: '{"id":"7"}', topic: 'x.shop.orders' },
      { key: '{"id":"7"}', value: ENVELOPE, topic: 'x.shop.orders' },
      'shop.orders',
    ],
  ];
  for (const [config, broken, whole, namespace] of cases) {
    const undecodable = decoded(config, { ...broken, value: BROKEN }, whole);
    const event = decoded(config, whole);
    assertUndecodable(undecodable, 'json.malformed');
    assert.equal(formatNamespace(undecodable.namespace), namespace);
    assert.equal(formatNamespace(event.namespace), namespace);
    assert.notEqual(new OrderingKeys().of(event), undefined);
    assert.equal(new OrderingKeys().of(undecodable), new OrderingKeys().of(event));
  }
  const subject = decoded({ name: 'auto' }, { topic: 'cdc.shop.carts.7', value: BROKEN, headers });
  assert.equal(new OrderingKeys().of(subject), new OrderingKeys().of(decoded({ name: 'auto' }, { key: '7' })));
});

test('without a key that can be read it has none, and without a collection no namespace', () => {
  for (const key of [null, '', Buffer.from([0xff, 0xfe]), 'null', '{"_id":{"_data":"826B"}}']) {
    const event = decoded({ name: 'document' }, { key, value: BROKEN, topic: 'orders' });
    assert.equal(new OrderingKeys().of(event), undefined);
    assert.deepEqual(event.namespace, { db: '', coll: '' });
  }
});

test('no format makes a record of it, though its key is known', () => {
  const event = decoded({ name: 'document' }, { key: '{"_id":7}', value: BROKEN });
  const configs: readonly Partial<FormatConfig>[] = [
    { name: 'change' },
    { name: 'document' },
    { name: 'document', document: { whenGone: 'skip' } },
    { name: 'debezium' },
    { name: 'cloudevents', cloudeventsMode: 'structured' },
    { name: 'cloudevents', cloudeventsMode: 'binary' },
    { name: 'nats-connector' },
    ...(['change', 'document'] as const).flatMap((value) =>
      (['document', 'token'] as const).map((key): Partial<FormatConfig> => {
        const kafkaConnect = { json: 'legacy', value, tombstones: true, key } as FormatConfig['kafkaConnect'];
        return { name: 'kafka-connect', kafkaConnect };
      }),
    ),
  ];
  for (const config of configs) {
    for (const json of ['relaxed', 'canonical', 'plain', 'bson'] as const) {
      if (json === 'bson' && config.name === 'debezium') continue;
      const format = createFormat({ name: 'change', json, identity, ...config });
      assert.throws(
        () => format.encode({ event, namespace: event.namespace }),
        { kind: 'rejected', code: 'json.malformed' },
        JSON.stringify({ ...config, json }),
      );
    }
  }
});
