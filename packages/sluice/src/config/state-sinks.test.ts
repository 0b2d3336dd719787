import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MongodbSourceConfig } from '../connectors/mongodb/config.ts';
import { load, pipeline } from './config-fixture.ts';

const SEARCH = 'search: { nodes: ["http://127.0.0.1:9200"] }';

/** What the source and the sink of a pipeline are told that the file does not say. */
function completed(parts: { readonly source?: string; readonly sink?: string }) {
  const [config] = load(pipeline(parts)).config.pipelines;
  const { source, sink } = config ?? assert.fail('there is no pipeline');
  const { fullDocument, ddl, snapshot } = source.config as Partial<MongodbSourceConfig>;
  const { missingDocument, onRename } = sink.config;
  return [fullDocument, snapshot?.structure, ddl, missingDocument, onRename];
}

test('for a sink that holds whole documents a MongoDB looks them up and says what collections are like', () => {
  assert.deepEqual(completed({ sink: SEARCH }), ['updateLookup', true, false, 'skip', 'apply']);
});

test('what the file says stays, and an update without a document is only skipped where its delete follows', () => {
  const source = 'mongodb: { uri: "${env:MONGO_URI}", fullDocument: required, snapshot: { structure: false } }';
  assert.deepEqual(completed({ source, sink: SEARCH }), ['required', false, false, 'reject', 'apply']);
  const own = SEARCH.replace(' }', ', missingDocument: skip, onRename: ignore }');
  assert.deepEqual(completed({ source, sink: own }).slice(3), ['skip', 'ignore']);
});

test('other sinks get updates as they were', () => {
  assert.deepEqual(completed({}), ['whenAvailable', false, false, undefined, undefined]);
});

test('behind a broker nothing is looked up, and renames have no order', () => {
  const source = 'kafka: { brokers: ["k:9092"], topics: ["t"], group: g }';
  assert.deepEqual(completed({ source, sink: SEARCH }).slice(3), ['reject', 'ignore']);
});
