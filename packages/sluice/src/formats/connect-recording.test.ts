import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { NamespaceCache } from '../bson/namespace-cache.ts';
import { parseChangeEvent } from '../bson/raw-change-event.ts';
import { SnapshotRow } from '../bson/snapshot-row.ts';
import type { ChangeEvent } from '../core/change-event.ts';
import {
  GO_BODIES_CASE,
  GO_BODIES_FILE,
  type RecordedCase,
  type RecordedRecord,
  readConnectRecording,
} from '../testing/connect-recording.ts';
import type { FormatConfig } from './format-config.ts';
import { createFormat } from './formats.ts';

const recording = readConnectRecording();
const identity = { cluster: recording.replicaSet, connector: '', version: recording.versions['debezium'] ?? '' };
const FORMATTERS = { DefaultJson: 'legacy', ExtendedJson: 'canonical', SimplifiedJson: 'simplified' } as const;

/** The format that the settings of a recorded connector stand for. */
function formatOf({ name, config }: RecordedCase): FormatConfig {
  if (config['connector.class']?.startsWith('io.debezium') === true) {
    const tombstones = config['tombstones.on.delete'] !== 'false';
    return { name: 'debezium', json: 'relaxed', debezium: { tombstones }, identity: { ...identity, connector: name } };
  }
  const formatter = (config['output.json.formatter'] ?? 'DefaultJson').split('.').at(-1) as keyof typeof FORMATTERS;
  const kafkaConnect = {
    json: FORMATTERS[formatter],
    value: config['publish.full.document.only'] === 'true' ? 'document' : 'change',
    tombstones: config['publish.full.document.only.tombstone.on.delete'] === 'true',
    key: config['change.stream.document.key.as.key'] === 'false' ? 'token' : 'document',
  } as const;
  return { name: 'kafka-connect', json: 'relaxed', kafkaConnect, identity };
}

/** What the connector read: rows that were there before, then events. `clusterTime` is that of the rows. */
function inputOf({ before, events }: RecordedCase, clusterTime: { readonly t: number; readonly i: number }) {
  const namespaces = new NamespaceCache();
  const position = { token: '', clusterTime };
  const rows = before.map(({ ns, document }) => {
    const [db = '', coll = ''] = ns.split('.');
    const chunk = { namespace: { db, coll }, clusterTime, readAtMs: 0, positionOf: () => position };
    return new SnapshotRow(chunk, Buffer.from(document, 'base64'));
  });
  const changes: ChangeEvent[] = events.map((raw) => parseChangeEvent(Buffer.from(raw, 'base64'), namespaces));
  return [...rows, ...changes];
}

/** The records that the format gives, each at the time at which the connector wrote its own. */
function encodeAll(recorded: RecordedCase): Omit<RecordedRecord, 'topic'>[] {
  const first = recorded.records[0]?.value ?? '';
  const [, t = '0', i = '0'] = /"ts_ms":(\d+)\d{3},"snapshot":"true".*"ord":(\d+)/.exec(first) ?? [];
  let now = 0;
  const format = createFormat(formatOf(recorded), () => now);
  const records: Omit<RecordedRecord, 'topic'>[] = [];
  for (const event of inputOf(recorded, { t: Number(t), i: Number(i) })) {
    now = Number(/"ts_ms":(\d+),"transaction"/.exec(recorded.records[records.length]?.value ?? '')?.[1] ?? 0);
    const record = format.encode({ event, namespace: event.namespace });
    if (record === undefined) continue;
    const key = record.key === null ? null : String(record.key);
    records.push({ key, value: record.value === null ? null : String(record.value) });
    if (record.tombstoneFollows) records.push({ key, value: null });
  }
  return records;
}

for (const recorded of recording.cases) {
  test(`keys and values are those of the connector: ${recorded.name}`, () => {
    const records = encodeAll(recorded);
    for (const [index, { key, value }] of recorded.records.entries()) {
      assert.deepEqual(records[index], { key, value: withoutMarker(value) }, `record ${index}`);
    }
    assert.equal(records.length, recorded.records.length);
  });
}

test('bodies are those of mongodb-nats-connector', () => {
  const bodies = readFileSync(GO_BODIES_FILE, 'utf8').trimEnd().split('\n');
  const { events } = recording.cases.find(({ name }) => name === GO_BODIES_CASE) ?? { events: [] };
  const format = createFormat({ name: 'nats-connector', json: 'relaxed', identity });
  const namespaces = new NamespaceCache();
  const written = events.map((raw) => {
    const event = parseChangeEvent(Buffer.from(raw, 'base64'), namespaces);
    return String(format.encode({ event, namespace: event.namespace })?.value);
  });
  assert.deepEqual(written, bodies);
});

/** Debezium marks the first and the last row of a snapshot, which cannot be known while it is read in parallel. */
function withoutMarker(value: string | null): string | null {
  return value?.replace(/"snapshot":"(?:first|last)[a-z_]*"/, '"snapshot":"true"') ?? null;
}
