import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDecoder } from './decoder.ts';
import { message, text } from './decoder-fixture.ts';

const ENVELOPE =
  '{"op":"u","ts_ms":1,"source":{"connector":"mongodb","db":"shop","collection":"orders"},"after":"{\\"_id\\": 7}"}';

test('a null with the key {"id": "…"} deletes the document, but only follows a delete in a topic of Debezium', () => {
  const decoder = createDecoder({ name: 'auto' });
  const gone = decoder.decode(message({ key: '{"id":"7"}' }));
  assert.equal(gone?.op, 'delete');
  assert.equal(text(gone.key(), 'relaxed'), '{"_id":7}');
  assert.equal(decoder.decode(message({ key: '{"id":"7"}', value: ENVELOPE, topic: 'p.shop.orders' }))?.op, 'replace');
  assert.equal(decoder.decode(message({ key: '{"id":"7"}', topic: 'p.shop.orders' })), undefined);
  assert.equal(decoder.decode(message({ key: '{"_id":7}', topic: 'p.shop.orders' }))?.op, 'delete');
  assert.equal(decoder.decode(message({ key: '{"id":"7"}' }))?.op, 'delete', 'other topics are none of Debezium');
});

test('documents that only look like an envelope of Debezium are documents', () => {
  const envelope = JSON.parse(ENVELOPE) as { ts_ms?: unknown; source: Record<string, unknown> };
  const { ts_ms: _time, ...timeless } = envelope;
  const { connector: _connector, ...source } = envelope.source;
  const documents = [
    { source: { db: 'a', collection: 'b' }, op: 'c' },
    { ...envelope, source },
    { ...envelope, source: { ...source, connector: 'postgresql' } },
    { ...envelope, source: { ...source, connector: 1 } },
    { ...envelope, ts_ms: 'yesterday' },
    timeless,
  ];
  for (const document of documents) {
    const value = JSON.stringify({ _id: 1, ...document });
    const event = createDecoder({ name: 'auto' }).decode(message({ value }));
    assert.equal(event?.op, 'replace', value);
    assert.equal(text(event.after(), 'plain'), value);
  }
});
