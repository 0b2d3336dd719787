import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { NamespaceCache } from '../bson/namespace-cache.ts';
import { parseChangeEvent } from '../bson/raw-change-event.ts';
import { type SnapshotChunkContext, SnapshotRow } from '../bson/snapshot-row.ts';
import * as b from '../bson/test-support/bson-bytes.ts';
import { corrupt } from '../bson/test-support/random-bson.ts';
import { sampleEvents } from '../bson/test-support/sample-events.ts';
import type { Envelope } from '../core/envelope.ts';
import { SluiceError } from '../core/failure.ts';
import type { EncodedRecord, Format } from '../core/format.ts';
import { assertGolden } from '../testing/golden.ts';
import { seededRandom } from '../testing/random.ts';
import type { Encoding, FormatConfig } from './format-config.ts';
import { createFormat } from './formats.ts';

const NOW_MS = 1_795_238_841_000;
const identity = { cluster: 'rs0', connector: 'shop "1"', version: '1.2.3' };
const ENCODINGS: readonly Encoding[] = ['plain', 'relaxed', 'canonical', 'bson'];

function configs(): Map<string, FormatConfig> {
  const all = new Map<string, FormatConfig>();
  for (const json of ENCODINGS) {
    all.set(`change.${json}`, { name: 'change', json, identity });
    all.set(`document.${json}`, { name: 'document', json, identity });
    for (const cloudeventsMode of ['structured', 'binary'] as const) {
      all.set(`cloudevents.${cloudeventsMode}.${json}`, { name: 'cloudevents', json, cloudeventsMode, identity });
    }
  }
  for (const documents of ['legacy', 'relaxed', 'canonical'] as const) {
    all.set(`debezium.${documents}`, { name: 'debezium', json: 'relaxed', debezium: { documents }, identity });
  }
  for (const json of ['legacy', 'canonical', 'simplified'] as const) {
    const kafkaConnect = { json, value: 'change', tombstones: false, key: 'document' } as const;
    all.set(`kafka-connect.${json}`, { name: 'kafka-connect', json: 'relaxed', kafkaConnect, identity });
  }
  return all;
}

/** Formats with the keys of another tool, which writes ids as they are stored. */
function hasForeignKeys({ name }: FormatConfig): boolean {
  return name === 'debezium' || name === 'kafka-connect';
}

const snapshotChunk: SnapshotChunkContext = {
  namespace: { db: 'shop', coll: 'orders' },
  clusterTime: { t: 0x6b012bb8, i: 99 },
  readAtMs: 1_795_238_840_886,
  positionOf: () => ({ token: '826B012BB9000000052B0229296E04', clusterTime: { t: 0x6b012bb9, i: 5 } }),
};

/** Rows of a snapshot. The stream has gone on since they were read. */
const snapshotRows: ReadonlyMap<string, SnapshotRow> = new Map(
  Object.entries({
    'snapshot-row': b.document(['_id', b.int32(7)], ['status', b.string('paid')], ['total', b.double(12)]),
    'snapshot-row-id-document': b.document(
      ['x', b.nothing],
      ['_id', b.embedded(['a', b.double(1)], ['b', b.date(0n)])],
    ),
  }).map(([name, document]) => [name, new SnapshotRow(snapshotChunk, document)]),
);

function envelopeOf(raw: Uint8Array): Envelope {
  const event = parseChangeEvent(raw, new NamespaceCache());
  return { event, namespace: event.namespace };
}

function sample(name: string): Envelope {
  const raw = sampleEvents.get(name);
  assert.ok(raw, name);
  return envelopeOf(raw);
}

function encode(config: FormatConfig, name: string): EncodedRecord {
  const record = createFormat(config, () => NOW_MS).encode(sample(name));
  assert.ok(record, `${name} was filtered`);
  return record;
}

/** A record as the golden files show it. BSON is shown as hex. */
function render(format: Format, envelope: Envelope): string {
  let record: EncodedRecord | undefined;
  try {
    record = format.encode(envelope);
  } catch (error) {
    assert.ok(error instanceof SluiceError && error.kind === 'rejected', String(error));
    return `rejected: ${error.code}: ${error.message}`;
  }
  if (record === undefined) return 'filtered';
  const isBson = format.contentType === 'application/bson';
  const lines = [`key: ${record.key?.toString()}`];
  for (const [name, value] of Object.entries(record.headers ?? {})) lines.push(`header ${name}: ${value}`);
  lines.push(`value: ${record.value === null ? 'null' : record.value.toString(isBson ? 'hex' : 'utf8')}`);
  if (record.tombstoneFollows) lines.push('tombstone follows');
  return lines.join('\n');
}

for (const [name, config] of configs()) {
  test(`golden: ${name}`, () => {
    const format = createFormat(config, () => NOW_MS);
    const envelopes = new Map([...sampleEvents].map(([title, raw]) => [title, envelopeOf(raw)]));
    for (const [title, event] of snapshotRows) envelopes.set(title, { event, namespace: event.namespace });
    const sections = [...envelopes].map(([title, envelope]) => `# ${title}\n${render(format, envelope)}\n`);
    const text = [`content type: ${format.contentType}\n`, ...sections].join('\n');
    assertGolden(join(import.meta.dirname, 'golden', `${name}.txt`), text);
  });
}

test('every value and key is valid JSON, in every format', () => {
  for (const [name, config] of configs()) {
    const format = createFormat(config, () => NOW_MS);
    for (const [title, raw] of sampleEvents) {
      if (
        title.includes('invalid') ||
        title.includes('without') ||
        title.includes('degraded') ||
        title.includes('gone')
      )
        continue;
      const record = format.encode(envelopeOf(raw));
      if (record === undefined) continue;
      assert.ok(record.key, `${name} ${title}`);
      if (name === 'kafka-connect.legacy') continue; // The connector writes NaN and Infinity as they are.
      JSON.parse(record.key.toString());
      if (record.value !== null && format.contentType !== 'application/bson') JSON.parse(record.value.toString());
    }
  }
});

test('ids that are one number in MongoDB give one key, in every format of our own', () => {
  for (const [name, config] of configs()) {
    if (hasForeignKeys(config)) continue;
    const keys = ['insert-in-transaction', 'insert-id-double', 'insert-id-long'].map(
      (title) => encode(config, title).key,
    );
    assert.equal(new Set(keys.map(String)).size, 1, `${name}: ${keys.map(String).join(' ')}`);
  }
});

test('a row of a snapshot gives the record of its raw event, in every format', () => {
  for (const [name, config] of configs()) {
    const format = createFormat(config, () => NOW_MS);
    for (const [title, event] of snapshotRows) {
      const record = format.encode({ event, namespace: event.namespace });
      assert.ok(record?.value, `${name} ${title}`);
      assert.deepEqual(format.encode(envelopeOf(event.raw)), record, `${name} ${title}`);
    }
  }
});

test('debezium: a row of a snapshot is a read', () => {
  const event = snapshotRows.get('snapshot-row');
  assert.ok(event);
  const format = createFormat({ name: 'debezium', json: 'relaxed', identity }, () => NOW_MS);
  const value = JSON.parse(String(format.encode({ event, namespace: event.namespace })?.value));
  assert.equal(value.op, 'r');
  assert.equal(value.source.snapshot, 'true');
  assert.equal(value.source.ord, 99);
  assert.equal(value.source.ts_ms, 1_795_238_840_000, 'the second of the cluster time');
  assert.equal(value.source.wallTime, null);
  assert.deepEqual(JSON.parse(value.after), { _id: 7, status: 'paid', total: 12 });
  assert.deepEqual([value.before, value.updateDescription], [null, null]);
});

test('records stay as they are while others are encoded', () => {
  const format = createFormat({ name: 'change', json: 'relaxed', identity });
  const envelope = sample('insert-every-type');
  const first = format.encode(envelope);
  const text = String(first?.value);
  for (let i = 0; i < 2000; i++) format.encode(sample('delete'));
  assert.equal(String(first?.value), text);
});

test('bson hands the bytes of the server on', () => {
  assert.deepEqual(
    encode({ name: 'change', json: 'bson', identity }, 'insert-every-type').value,
    sampleEvents.get('insert-every-type'),
  );
});

test('document: an update whose document is gone is skipped only when asked for, a degraded one never', () => {
  const reject = createFormat({ name: 'document', json: 'relaxed', identity });
  const skip = createFormat({ name: 'document', json: 'relaxed', document: { whenGone: 'skip' }, identity });
  const code = (value: string) => (error: unknown) =>
    error instanceof SluiceError && error.code === value && error.hint !== undefined;
  assert.throws(() => reject.encode(sample('update-document-gone')), code('format.no-document'));
  assert.equal(skip.encode(sample('update-document-gone')), undefined);
  for (const format of [reject, skip]) {
    assert.throws(() => format.encode(sample('update-without-document')), code('format.no-document'));
    assert.throws(() => format.encode(sample('update-degraded')), code('format.document-dropped'));
  }
});

test('debezium: the tombstone can be left out, BSON is refused', () => {
  const config: FormatConfig = { name: 'debezium', json: 'relaxed', debezium: { tombstones: false }, identity };
  assert.equal(encode(config, 'delete').tombstoneFollows, false);
  assert.equal(encode({ ...config, debezium: undefined }, 'delete').tombstoneFollows, true);
  assert.throws(
    () => createFormat({ ...config, json: 'bson' }),
    (error) => error instanceof SluiceError && error.kind === 'config' && error.code === 'format.unsupported-encoding',
  );
});

test('debezium: the documents inside are JSON themselves', () => {
  const value = JSON.parse(String(encode({ name: 'debezium', json: 'relaxed', identity }, 'update-with-images').value));
  assert.deepEqual(JSON.parse(value.after), { _id: 7, status: 'paid', total: 12 });
  assert.deepEqual(JSON.parse(value.before), { _id: 7, status: 'new', draft: true });
  assert.deepEqual(JSON.parse(value.updateDescription.updatedFields)['items.0.qty'], 2);
  assert.deepEqual(value.updateDescription.truncatedArrays, [{ field: 'log', size: 3 }]);
  assert.equal(value.ts_ms, NOW_MS);
});

test('cloudevents: the id is stable, the attributes are legal', () => {
  const config: FormatConfig = { name: 'cloudevents', json: 'relaxed', cloudeventsMode: 'binary', identity };
  const first = encode(config, 'insert-id-odd-text').headers;
  assert.deepEqual(encode(config, 'insert-id-odd-text').headers, first);
  for (const [name, value] of Object.entries(first ?? {})) {
    assert.match(name, /^[a-z0-9]{1,20}$/);
    assert.ok(value !== '' && !/\p{Cc}/u.test(value), `${name}: ${value}`);
  }
});

test('fuzz: broken events are encoded, filtered or rejected, never anything else', () => {
  const random = seededRandom(2024);
  const formats = [...configs().values()].map((config) => createFormat(config, () => NOW_MS));
  const raws = [...sampleEvents.values()];
  for (let i = 0; i < 5000; i++) {
    const raw = corrupt(random, random.pick(raws));
    const format = random.pick(formats);
    try {
      const record = format.encode(envelopeOf(raw));
      const isJson = format.contentType !== 'application/bson' && format.name !== 'kafka-connect';
      if (record?.value && isJson) JSON.parse(record.value.toString());
    } catch (error) {
      assert.ok(
        error instanceof SluiceError && error.kind === 'rejected',
        `case ${i} ${format.name} ${raw.toString('hex')}: ${String(error)}`,
      );
    }
  }
});
