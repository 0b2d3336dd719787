import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { z } from 'zod';
import { kafkaDeadLetterConfig, kafkaSinkConfig, kafkaSourceConfig } from './config.ts';

const brokers = ['localhost:9092'];

test('brokers are all that is needed', () => {
  const config = kafkaSinkConfig.parse({ brokers });
  assert.equal(config.topic, '{db}.{coll}');
  assert.equal(config.compression, 'zstd');
  assert.equal(config.delivery, 'at-least-once');
  assert.equal(config.requestTimeout, 30_000);
  assert.equal(config.tls, undefined);
  assert.equal(kafkaDeadLetterConfig.parse({ brokers }).topic, 'sluice.dead-letters');
});

test('TLS is on with `true` or with a mapping, and checks certificates unless told otherwise', () => {
  assert.deepEqual(kafkaSinkConfig.parse({ brokers, tls: true }).tls, { insecure: false });
  assert.deepEqual(kafkaSinkConfig.parse({ brokers, tls: { ca: 'ca.pem' } }).tls, { ca: 'ca.pem', insecure: false });
  assert.equal(kafkaSinkConfig.parse({ brokers, tls: false }).tls, undefined);
});

test('settings of topics are text', () => {
  const { createTopics } = kafkaSinkConfig.parse({
    brokers,
    createTopics: { config: { 'retention.ms': 5, compact: true } },
  });
  assert.deepEqual(createTopics.config, { 'retention.ms': '5', compact: 'true' });
});

test('what is wrong is refused at its place', () => {
  for (const [settings, path] of [
    [{ brokers: [] }, 'brokers'],
    [{ brokers: ['kafka://host:9092'] }, 'brokers.0'],
    [{ brokers: ['host:port'] }, 'brokers.0'],
    [{ brokerz: brokers, brokers }, ''],
    [{ brokers, topic: '{database}' }, 'topic'],
    [{ brokers, topic: 'a b' }, 'topic'],
    [{ brokers, checkpointTopic: 'a/b' }, 'checkpointTopic'],
    [{ brokers, transactionalIdPrefix: '' }, 'transactionalIdPrefix'],
    [{ brokers, compression: 'brotli' }, 'compression'],
    [{ brokers, delivery: 'exactly once' }, 'delivery'],
    [{ brokers, batchRecords: 0 }, 'batchRecords'],
    [{ brokers, requestTimeout: 30 }, 'requestTimeout'],
    [{ brokers, createTopics: { partitions: 0 } }, 'createTopics.partitions'],
    [{ brokers, headers: { prefix: 'ä' } }, 'headers.prefix'],
    [{ brokers, sasl: { mechanism: 'gssapi' } }, 'sasl.mechanism'],
    [{ brokers, sasl: { mechanism: 'plain', username: 'u' } }, 'sasl.password'],
    [{ brokers, sasl: { mechanism: 'oauthbearer' } }, 'sasl'],
    [{ brokers, tls: { cert: 'c.pem' } }, 'tls'],
    [{ brokers, clientId: 'a b' }, 'clientId'],
  ] as const) {
    const { error } = kafkaSinkConfig.safeParse(settings);
    assert.ok(error, `${inspect(settings)} was accepted`);
    assert.ok(
      error.issues.some((issue) => issue.path.join('.') === path),
      `${path}: ${inspect(error.issues)}`,
    );
  }
});

test('addresses may be names, IPv4 and IPv6, with and without port', () => {
  const addresses = ['kafka', 'kafka-1.example.com:9093', '10.0.0.1:9092', '[::1]:9092', '[fe80::1]'];
  assert.deepEqual(kafkaSinkConfig.parse({ brokers: addresses }).brokers, addresses);
});

test('passwords do not show', () => {
  const sasl = { mechanism: 'scram-sha-512', username: 'u', password: 'canary' };
  assert.doesNotMatch(inspect(kafkaSinkConfig.parse({ brokers, sasl }), { depth: 9, showHidden: true }), /canary/);
});

test('every setting is described, for editors and the reference', () => {
  const undescribed: string[] = [];
  const walk = (schema: { description?: string; properties?: Record<string, object> }, path: string) => {
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      const place = path === '' ? name : `${path}.${name}`;
      if ((property as { description?: string }).description === undefined) undescribed.push(place);
      walk(property, place);
    }
  };
  walk(z.toJSONSchema(kafkaSinkConfig, { io: 'input' }) as object, '');
  walk(z.toJSONSchema(kafkaDeadLetterConfig, { io: 'input' }) as object, '');
  assert.deepEqual(undescribed, []);
});

test('a source takes topics, patterns and regular expressions, and has its defaults', () => {
  const config = kafkaSourceConfig.parse({ brokers: ['b:9092'], topics: ['a', 'shop.*', '/^x/'] });
  assert.deepEqual(config, {
    brokers: ['b:9092'],
    clientId: 'sluice',
    tls: undefined,
    requestTimeout: 30_000,
    topics: ['a', 'shop.*', '/^x/'],
    startAt: 'earliest',
    fetchBytes: 8 * 1024 * 1024,
    partitionBytes: 1024 * 1024,
    readAheadBytes: 16 * 1024 * 1024,
    maxAwaitTime: 1000,
    rebalanceTimeout: 300_000,
    topicRefresh: 30_000,
  });
});

test('a source starts at a time with its zone', () => {
  const settings = { brokers: ['b'], topics: ['a'] };
  const { startAt } = kafkaSourceConfig.parse({ ...settings, startAt: { time: '2026-01-31T12:00:00+01:00' } });
  assert.deepEqual(startAt, { time: Date.UTC(2026, 0, 31, 11) });
  for (const wrong of ['first', { time: 'yesterday' }, { time: '2026-01-31T12:00:00' }]) {
    assert.equal(kafkaSourceConfig.safeParse({ ...settings, startAt: wrong }).success, false);
  }
});

test('a source without topics, or with what cannot be a topic, is refused with the place of the error', () => {
  for (const topics of [[], ['a b'], ['/(/']]) {
    const { error } = kafkaSourceConfig.safeParse({ brokers: ['b'], topics });
    assert.equal(error?.issues[0]?.path[0], 'topics');
  }
});
