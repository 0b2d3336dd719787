import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { findField } from '../../bson/elements.ts';
import { type ChangeEvent, isDataOperation } from '../../core/change-event.ts';
import {
  GO_BODIES_CASE,
  GO_BODIES_FILE,
  type RecordedCase,
  type RecordedRecord,
  readConnectRecording,
} from '../../testing/connect-recording.ts';
import { readNatsConnectorRecording } from '../../testing/nats-connector-recording.ts';
import { createDecoder } from './decoder.ts';
import { eventOf, message, text } from './decoder-fixture.ts';

const recording = readConnectRecording();

function isDebezium({ config }: RecordedCase): boolean {
  return config['connector.class']?.startsWith('io.debezium') === true;
}

function isDocumentOnly({ config }: RecordedCase): boolean {
  return config['publish.full.document.only'] === 'true';
}

function losesTypes({ config }: RecordedCase): boolean {
  return config['output.json.formatter']?.endsWith('SimplifiedJson') === true;
}

/** Version 1 of Extended JSON writes a pointer to a document like a reference. */
function withoutPointers(json: string | undefined): string | undefined {
  return json?.replaceAll(/\{"\$dbPointer":(\{[^}]*\}\})\}/g, '$1');
}

function decodeAll(
  recorded: RecordedCase,
  name: 'auto' | 'debezium' | 'kafka-connect',
  wrap = (value: string) => value,
) {
  const decoder = createDecoder({ name, namespace: { db: 'shop', coll: 'types' } });
  return recorded.records.flatMap(({ topic, key, value }, index) => {
    const sent = message({ topic, key, value: value === null ? null : wrap(value), sequence: index });
    return decoder.decode(sent) ?? [];
  });
}

/** What there was before, then the events: what the records stand for. */
function expectedOf(recorded: RecordedCase): readonly ChangeEvent[] {
  return recorded.events.map((raw) => eventOf(Buffer.from(raw, 'base64')));
}

for (const recorded of recording.cases.filter((one) => !isDebezium(one) && !isDocumentOnly(one))) {
  test(`records of MongoDB's connector give its events: ${recorded.name}`, () => {
    const decoded = decodeAll(recorded, 'auto');
    const events = expectedOf(recorded);
    assert.equal(decoded.length, recorded.records.length);
    const rows = decoded.slice(0, decoded.length - events.length);
    for (const [index, row] of rows.entries()) {
      assert.deepEqual([row.op, row.namespace], ['snapshot', { db: 'shop', coll: 'types' }]);
      const document = Buffer.from(recorded.before[index]?.document ?? '', 'base64');
      if (losesTypes(recorded)) continue;
      assert.equal(withoutPointers(text(row.after())), withoutPointers(text(document)));
    }
    for (const [index, event] of events.entries()) {
      const actual = decoded[rows.length + index];
      assert.ok(actual);
      assert.deepEqual(
        [actual.id, actual.op, actual.namespace, actual.version],
        [event.id, event.op, event.namespace, event.version],
      );
      if (!losesTypes(recorded)) assert.equal(withoutPointers(text(actual.raw)), withoutPointers(text(event.raw)));
    }
    assert.deepEqual(
      decodeAll(recorded, 'kafka-connect').map(({ raw }) => raw),
      decoded.map(({ raw }) => raw),
    );
  });
}

for (const recorded of recording.cases.filter(isDocumentOnly)) {
  test(`documents of MongoDB's connector give the state of their keys: ${recorded.name}`, () => {
    const decoded = decodeAll(recorded, 'auto');
    assert.equal(decoded.length, recorded.records.length);
    const carrying = expectedOf(recorded).filter((event) => event.op === 'delete' || event.after() !== undefined);
    assert.equal(decoded.length, recorded.before.length + carrying.length);
    for (const [index, event] of carrying.entries()) {
      const actual = decoded[recorded.before.length + index];
      assert.equal(actual?.op, event.op === 'delete' ? 'delete' : 'replace');
      assert.deepEqual(actual.namespace, { db: 'shop', coll: 'types' });
      if (losesTypes(recorded)) continue;
      assert.equal(text(actual.key()), text(event.key()));
      assert.equal(withoutPointers(text(actual.after())), withoutPointers(text(event.after())));
    }
  });
}

/** One way in which a converter may have written the same value. */
const WRAPPINGS: Readonly<Record<string, (value: string) => string>> = {
  'as they are': (value) => value,
  'with a schema': (value) => `{"schema":{"type":"struct","fields":[],"optional":false},"payload":${value}}`,
  'as text with a schema': (value) => JSON.stringify({ schema: { type: 'string', optional: false }, payload: value }),
  'as text': (value) => JSON.stringify(value),
};

for (const recorded of recording.cases.filter(isDebezium)) {
  for (const [title, wrap] of Object.entries(WRAPPINGS)) {
    test(`records of Debezium give its events, ${title}: ${recorded.name}`, () => {
      const decoded = decodeAll(recorded, 'auto', wrap);
      const events = expectedOf(recorded);
      const rows = decoded.slice(0, decoded.length - events.length);
      for (const [index, row] of rows.entries()) {
        assert.deepEqual([row.op, row.namespace], ['snapshot', { db: 'shop', coll: 'types' }]);
        const document = Buffer.from(recorded.before[index]?.document ?? '', 'base64');
        assert.equal(withoutPointers(text(row.after())), withoutPointers(text(document)));
      }
      for (const [index, event] of events.entries()) {
        const actual = decoded[rows.length + index];
        assert.ok(actual);
        assert.deepEqual([actual.op, actual.namespace], [event.op, event.namespace]);
        assert.equal(actual.sourceTimeMs, event.sourceTimeMs);
        const image = actual.after() ?? actual.before();
        if (image !== undefined) assert.deepEqual(actual.key(), event.key());
        if (event.op !== 'delete')
          assert.equal(withoutPointers(text(actual.after())), withoutPointers(text(event.after())));
        assert.equal(withoutPointers(text(actual.before())), withoutPointers(text(event.before())));
        assert.equal(namesIn(actual.update()), namesIn(event.update()));
      }
      assert.deepEqual(
        decodeAll(recorded, 'debezium', wrap).map(({ raw }) => raw),
        decoded.map(({ raw }) => raw),
      );
    });
  }
}

/** The update as relaxed JSON: Debezium writes its fields so. */
function namesIn(update: Uint8Array | undefined): string | undefined {
  if (update === undefined) return undefined;
  const part = (name: string) => Buffer.from(findField(update, name)?.bytes ?? Buffer.from([5, 0, 0, 0, 0]));
  return ['updatedFields', 'removedFields', 'truncatedArrays'].map((name) => text(part(name), 'relaxed')).join(' ');
}

test('bodies of MongoDB’s Go driver give their events', () => {
  const recorded = recording.cases.find(({ name }) => name === GO_BODIES_CASE);
  assert.ok(recorded);
  const bodies = readFileSync(GO_BODIES_FILE, 'utf8').trimEnd().split('\n');
  for (const [index, event] of expectedOf(recorded).entries()) {
    const decoded = createDecoder({ name: 'auto' }).decode(message({ value: bodies[index] ?? '' }));
    assert.deepEqual([decoded?.id, decoded?.op, decoded?.version], [event.id, event.op, event.version]);
    assert.equal(text(decoded?.raw, 'relaxed'), text(event.raw, 'relaxed'));
  }
});

test('messages of mongodb-nats-connector give their events', () => {
  for (const { events, messages } of readNatsConnectorRecording().collections) {
    const published = events.map((raw) => eventOf(Buffer.from(raw, 'base64'))).filter(({ op }) => isDataOperation(op));
    assert.equal(messages.length, published.length);
    for (const [index, event] of published.entries()) {
      const sent = message({ value: messages[index]?.body ?? '', topic: messages[index]?.subject ?? '' });
      const decoded = createDecoder({ name: 'auto' }).decode(sent);
      assert.equal(text(decoded?.raw, 'relaxed'), text(event.raw, 'relaxed'));
      assert.equal(decoded?.id, event.id);
    }
  }
});

test('every record of the recordings is decoded', () => {
  const records: RecordedRecord[] = recording.cases.flatMap((recorded) => recorded.records);
  assert.ok(records.length > 100);
  for (const recorded of recording.cases) {
    for (const event of decodeAll(recorded, 'auto')) assert.ok(!event.id.startsWith('undecodable'), recorded.name);
  }
});
