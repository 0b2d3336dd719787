import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../settings/secret.ts';
import type { PipelineConfig } from './config.ts';
import { ENV, load, pipeline, problemsOf } from './config-fixture.ts';

const source = 'mongodb: { uri: "${env:MONGO_URI}", include: ["shop.*"] }';
const KAFKA = 'kafka: { brokers: ["k:9092"], topic: t, delivery: exactly-once }';

function schemaOf(more: string, sink?: string): PipelineConfig['schema'] {
  const [config] = load(pipeline({ source, more, ...(sink === undefined ? {} : { sink }) })).config.pipelines;
  return (config ?? assert.fail('there is no pipeline')).schema;
}

function placeOf(more: string, sink?: string) {
  const store = schemaOf(more, sink)?.store;
  if (store === undefined) return undefined;
  const { uri, database, collection, path } = store.config;
  return { name: store.name, uri: uri instanceof Secret ? uri.reveal() : uri, database, collection, path };
}

const usual = { name: 'mongodb', uri: ENV.MONGO_URI, database: 'sluice', collection: 'schemas', path: undefined };

test('schemas are learned unless it is off', () => {
  const { store: _, ...settings } = schemaOf('') ?? assert.fail('it is off');
  assert.deepEqual(settings, { onChange: 'warn', learnDocuments: 100, collapseAbove: 100 });
  assert.equal(schemaOf('schema: off'), undefined);
  const own = schemaOf('schema: { onChange: dead-letter, learnDocuments: 5, collapseAbove: 20 }');
  assert.deepEqual([own?.onChange, own?.learnDocuments, own?.collapseAbove], ['dead-letter', 5, 20]);
});

test('what is learned is kept beside the checkpoints', () => {
  assert.deepEqual(placeOf(''), usual);
  assert.deepEqual(placeOf('schema: { onChange: stop }'), usual);
  assert.deepEqual(placeOf('checkpoint: { mongodb: { database: own } }'), { ...usual, database: 'own' });
  assert.deepEqual(placeOf('checkpoint: { mongodb: { collection: mine } }'), { ...usual, collection: 'mine.schemas' });
  const file = placeOf('checkpoint: { file: { path: ./state } }');
  assert.deepEqual([file?.name, file?.path], ['file', '/etc/sluice/state']);
});

test('without checkpoints of its own a pipeline keeps it in memory, unless it names a place', () => {
  assert.equal(placeOf('', KAFKA), undefined);
  assert.notEqual(schemaOf('', KAFKA), undefined);
  assert.deepEqual(placeOf('schema: { mongodb: {} }', KAFKA), usual);
  assert.equal(placeOf('schema: { file: { path: ./seen } }', KAFKA)?.path, '/etc/sluice/seen');
  const apart = placeOf('checkpoint: { file: { path: ./state } }\n    schema: { mongodb: { collection: s } }');
  assert.deepEqual(apart, { ...usual, collection: 's' });
});

test('what cannot be is refused', () => {
  assert.match(problemsOf(pipeline({ more: 'schema: on' })), /schema: must be "?off/);
  assert.match(problemsOf(pipeline({ more: 'schema: { onChange: refuse }' })), /schema\.onChange|schema: /);
  assert.match(problemsOf(pipeline({ more: 'schema: { learnDocuments: 0 }' })), /learnDocuments: .*from 1 to/);
  const two = 'schema: { mongodb: {}, file: { path: ./x } }';
  assert.match(problemsOf(pipeline({ more: two })), /names 2 connectors/);
  const more = 'schema: { mongodb: { database: shop } }';
  assert.match(
    problemsOf(pipeline({ source, more })),
    /schema\.mongodb: shop\.schemas is among the namespaces .* a loop/,
  );
  const loop = problemsOf(pipeline({ source, more: 'checkpoint: { mongodb: { database: shop } }' }));
  assert.equal(loop.match(/a loop/g)?.length, 1, 'what is beside the checkpoints moves with them');
});
