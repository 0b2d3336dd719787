import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'bson';
import type { EncodedRecord } from '../../core/format.ts';
import { appendRecord, framingOf, type RecordLayout } from './record-writer.ts';

const LINES: RecordLayout = { framing: 'lines', envelope: false };
const DOCUMENTS: RecordLayout = { framing: 'documents', envelope: false };

function record(overrides: Partial<EncodedRecord> = {}): EncodedRecord {
  const base = { key: Buffer.from('{"_id":1}'), value: Buffer.from('{"_id":1,"a":"ü"}') };
  return { ...base, headers: undefined, tombstoneFollows: false, ...overrides };
}

function bytesOf(encoded: EncodedRecord, layout: RecordLayout): Buffer {
  const pieces: Buffer[] = [];
  appendRecord(pieces, encoded, layout);
  return Buffer.concat(pieces);
}

const lineOf = (encoded: EncodedRecord, layout: RecordLayout = LINES) => bytesOf(encoded, layout).toString();

test('the content type decides the framing', () => {
  assert.equal(framingOf({ contentType: 'application/bson' }), 'documents');
  assert.equal(framingOf({ contentType: 'application/json' }), 'lines');
  assert.equal(framingOf({ contentType: 'application/cloudevents+json; charset=UTF-8' }), 'lines');
});

test('a record is its value on a line', () => {
  assert.equal(lineOf(record()), '{"_id":1,"a":"ü"}\n');
});

test('what a value alone would lose comes in an envelope', () => {
  assert.equal(lineOf(record({ value: null })), '{"key":{"_id":1},"value":null}\n');
  assert.equal(lineOf(record({ value: null, key: null })), '{"key":null,"value":null}\n');
  const headers = { ce_id: 'a"b' };
  assert.equal(
    lineOf(record({ headers })),
    '{"key":{"_id":1},"headers":{"ce_id":"a\\"b"},"value":{"_id":1,"a":"ü"}}\n',
  );
});

test('with envelope every record has one', () => {
  assert.equal(lineOf(record(), { ...LINES, envelope: true }), '{"key":{"_id":1},"value":{"_id":1,"a":"ü"}}\n');
});

test('a tombstone that follows is a line of its own', () => {
  assert.equal(lineOf(record({ tombstoneFollows: true })), '{"_id":1,"a":"ü"}\n{"key":{"_id":1},"value":null}\n');
});

test('BSON documents stand one after another, envelopes too', () => {
  const value = Buffer.from(BSON.serialize({ _id: 1, n: new BSON.Long(5n) }));
  const bytes = Buffer.concat([
    bytesOf(record({ value }), DOCUMENTS),
    bytesOf(record({ value: null, tombstoneFollows: true }), DOCUMENTS),
    bytesOf(record({ value, key: null, headers: { ce_id: 'ü', ce_type: 't' } }), DOCUMENTS),
    bytesOf(record({ value }), { ...DOCUMENTS, envelope: true }),
  ]);
  const found: unknown[] = [];
  for (let at = 0; at < bytes.length; at += bytes.readInt32LE(at)) {
    found.push(BSON.deserialize(bytes.subarray(at, at + bytes.readInt32LE(at))));
  }
  const document = { _id: 1, n: 5 };
  const tombstone = { key: '{"_id":1}', value: null };
  assert.deepEqual(found, [
    document,
    tombstone,
    tombstone,
    { key: null, headers: { ce_id: 'ü', ce_type: 't' }, value: document },
    { key: '{"_id":1}', value: document },
  ]);
});
