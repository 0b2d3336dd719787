import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { z } from 'zod';
import { checkpointStoreConfig, deadLetterConfig, mongodbSourceConfig } from './config.ts';

const uri = 'mongodb://user:hunter2@db.example/?replicaSet=rs0';

const NEVER = {
  mode: 'never',
  parallelism: 4,
  chunkBytes: 1024 * 1024,
  inFlightBytes: 4 * 1024 * 1024,
  maxStreamLag: 10_000,
  maxReplicationLag: 10_000,
  match: {},
};

function problems(settings: Record<string, unknown>): string {
  const result = mongodbSourceConfig.safeParse({ uri, ...settings });
  return result.success
    ? ''
    : result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n');
}

test('a URI is enough', () => {
  const config = mongodbSourceConfig.parse({ uri });
  assert.equal(config.uri.reveal(), uri);
  const { uri: _uri, ...rest } = config;
  assert.deepEqual(rest, {
    include: ['*.*'],
    exclude: [],
    pipeline: [],
    beforeImage: 'off',
    startAt: 'now',
    snapshot: NEVER,
    maxAwaitTime: 1000,
    answerTimeout: 5000,
    serverSelectionTimeout: 10_000,
    batchSize: 10_000,
    linger: 5,
    batchBytes: 1024 * 1024,
    readPreference: 'primary',
  });
});

test('the password is not shown', () => {
  const config = mongodbSourceConfig.parse({ uri });
  assert.doesNotMatch(inspect(config, { depth: 9 }) + JSON.stringify(config), /hunter2/);
});

const WRONG: readonly [settings: Record<string, unknown>, message: RegExp][] = [
  [{ includ: [] }, /includ/],
  [{ uri: 'postgres://x' }, /mongodb:\/\//],
  [{ include: [] }, /include: must name at least one/],
  [{ include: ['shop'] }, /include\.0: "shop" names no collection/],
  [{ exclude: ['a.[b]'] }, /exclude\.0: .*uses "\["/],
  [{ pipeline: [{ $match: {} }, { $out: 'x' }] }, /pipeline\.1: \$out is not possible/],
  [{ fullDocument: 'yes' }, /fullDocument/],
  [{ startAt: 'yesterday' }, /startAt: must be now/],
  [{ startAt: { clusterTime: 'noon' } }, /ISO time/],
  [{ startAt: { token: 'zz' } }, /not a resume token/],
  [{ startAt: { token: `82${'0'.repeat(17)}` } }, /not a resume token/],
  [{ maxAwaitTime: 5 }, /maxAwaitTime/],
  [{ batchSize: 0 }, /batchSize/],
  [{ batchBytes: '1B' }, /batchBytes/],
  [{ snapshot: 'once' }, /snapshot/],
  [{ snapshot: true }, /snapshot: must be initial, never or only, or a mapping/],
  [{ snapshot: { parallelism: 0 } }, /snapshot/],
  [{ snapshot: { parallelism: 17 } }, /snapshot/],
  [{ tls: { tlsAllowInvalidCertificates: true } }, /tls/],
];

for (const [settings, message] of WRONG) {
  test(`refused: ${JSON.stringify(settings)}`, () => assert.match(problems(settings), message));
}

test('the start options', () => {
  for (const startAt of [
    'now',
    { clusterTime: '2026-01-31T12:00:00Z' },
    { clusterTime: '2026-01-31T12:00:00+01:00' },
    { clusterTime: '1769860800,7' },
    { token: '826B01326B000000052B0229296E04' },
  ]) {
    assert.equal(problems({ startAt }), '');
  }
});

test('a snapshot is a mode, or a mapping with one', () => {
  const snapshotOf = (snapshot: unknown) => mongodbSourceConfig.parse({ uri, snapshot }).snapshot;
  assert.deepEqual(snapshotOf('never'), NEVER);
  assert.deepEqual(snapshotOf('initial'), { ...NEVER, mode: 'initial' });
  assert.deepEqual(snapshotOf({}), NEVER);
  const match = { 'shop.orders': { at: { $gt: { $date: '2026-01-01T00:00:00Z' } } }, 'shop.a.b': {} };
  const more = {
    mode: 'only',
    chunkBytes: '64KiB',
    inFlightBytes: '16MiB',
    maxRowsPerSecond: 500,
    maxBytesPerSecond: '1MiB',
  };
  assert.deepEqual(snapshotOf({ ...more, maxStreamLag: '5s', maxReplicationLag: '1m', match }), {
    mode: 'only',
    parallelism: 4,
    chunkBytes: 65_536,
    inFlightBytes: 16_777_216,
    maxRowsPerSecond: 500,
    maxBytesPerSecond: 1_048_576,
    maxStreamLag: 5_000,
    maxReplicationLag: 60_000,
    match,
  });
});

test('the stores have names of their own', () => {
  assert.deepEqual(checkpointStoreConfig.parse({}), { database: 'sluice', collection: 'checkpoints' });
  assert.deepEqual(deadLetterConfig.parse({}), { database: 'sluice', collection: 'dead-letters' });
  assert.equal(checkpointStoreConfig.safeParse({ database: 'a.b' }).success, false);
  assert.equal(checkpointStoreConfig.safeParse({ collection: 'system.x' }).success, false);
});

test('every option is described in the JSON Schema', () => {
  const schema = z.toJSONSchema(mongodbSourceConfig, { io: 'input' });
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    assert.ok(typeof property === 'object' && (property.description?.length ?? 0) > 20, name);
  }
});
