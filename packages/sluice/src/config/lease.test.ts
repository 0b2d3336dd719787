import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../settings/secret.ts';
import type { PipelineConfig } from './config.ts';
import { ENV, load, pipeline, problemsOf } from './config-fixture.ts';

const source = 'mongodb: { uri: "${env:MONGO_URI}", include: ["shop.*"] }';

const first = (more: string, sink?: string): PipelineConfig => {
  const [config] = load(pipeline({ source, more, ...(sink === undefined ? {} : { sink }) })).config.pipelines;
  return config ?? assert.fail('there is no pipeline');
};

/** What tells where a lease is. */
function placeOf({ lease }: PipelineConfig) {
  if (lease === undefined) return undefined;
  const { uri, database, collection } = lease.store.config;
  return { uri: uri instanceof Secret ? uri.reveal() : uri, database, collection, ttlMs: lease.ttlMs };
}

const usual = { uri: ENV.MONGO_URI, database: 'sluice', collection: 'leases', ttlMs: 15_000 };
const KAFKA = 'kafka: { brokers: ["k:9092"], topic: t, delivery: exactly-once }';

test('where checkpoints are in MongoDB there is a lease beside them', () => {
  assert.deepEqual(placeOf(first('')), usual);
  assert.deepEqual(placeOf(first('checkpoint: { mongodb: { database: own } }')), { ...usual, database: 'own' });
  assert.deepEqual(placeOf(first('lease: { ttl: 30s }')), { ...usual, ttlMs: 30_000 });
});

test('checkpoints that are apart have leases that are apart', () => {
  const apart = placeOf(first('checkpoint: { mongodb: { collection: mine } }'));
  assert.deepEqual(apart, { ...usual, collection: 'mine.leases' });
});

test('elsewhere there is none unless it is asked for', () => {
  assert.equal(placeOf(first('lease: off')), undefined);
  assert.equal(placeOf(first('checkpoint: { file: { path: ./checkpoints } }')), undefined);
  assert.equal(placeOf(first('', KAFKA)), undefined);
  assert.deepEqual(placeOf(first('lease: {}', KAFKA)), usual);
  const asked = placeOf(first('lease: { mongodb: { collection: locks }, ttl: 5s }', KAFKA));
  assert.deepEqual(asked, { ...usual, collection: 'locks', ttlMs: 5_000 });
});

test('what cannot be is refused', () => {
  assert.match(problemsOf(pipeline({ more: 'lease: on' })), /lease: must be "off"/);
  assert.match(problemsOf(pipeline({ more: 'lease: { ttl: 1s }' })), /lease\.ttl: .*2s/);
  assert.match(problemsOf(pipeline({ more: 'lease: { kafka: {} }' })), /lease\.kafka|lease: /);
  const more = 'lease: { mongodb: { database: shop } }';
  assert.match(
    problemsOf(pipeline({ source, more })),
    /lease\.mongodb: shop\.leases is among the namespaces .* a loop/,
  );
});
