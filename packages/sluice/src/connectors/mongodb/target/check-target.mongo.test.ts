import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as b from '../../../bson/test-support/bson-bytes.ts';
import { silentLogger } from '../../../core/logger.ts';
import { startMongo } from '../../../testing/servers/mongo.ts';
import { createMongoUser } from '../../../testing/servers/mongo-admin.ts';
import { checkMongodbSink } from './check-target.ts';
import { mongodbSinkConfig } from './config.ts';
import { rawEvent } from './raw-event-fixture.ts';
import { TargetFixture, writeEvents } from './target-fixture.ts';

test('doctor says whether the target can be written to, and by whom', async () => {
  await using server = await startMongo({ auth: true });
  await using fixture = await TargetFixture.open(server.uri);
  const uriOf = (user: string, roles: readonly object[]) => createMongoUser(server, { user, password: 'p', roles });
  const levels = async (uri: string, settings: object) => {
    const findings = await checkMongodbSink(mongodbSinkConfig.parse({ uri, ...settings }), fixture.context);
    return findings.map(({ check, level }) => `${check.replace('mongodb.target-', '')}: ${level}`);
  };
  const writer = await uriOf('writer', [{ role: 'readWrite', db: 'shop' }]);
  const rows = { validation: 'check', ddl: 'warn' };
  assert.deepEqual(await levels(writer, { database: 'shop', ...rows }), ['reachable: ok', 'privileges: ok']);
  assert.deepEqual(await levels(writer, rows), ['reachable: ok', 'privileges: warning']);
  assert.deepEqual(await levels(writer, { database: 'shop', guard: 'version', delivery: 'exactly-once', ...rows }), [
    'reachable: ok',
    'transactions: ok',
    'privileges: error',
  ]);
  const reader = await uriOf('reader', [{ role: 'read', db: 'shop' }]);
  assert.deepEqual(await levels(reader, { database: 'shop', ...rows }), ['reachable: ok', 'privileges: error']);
  const anybody = await uriOf('anybody', [{ role: 'readWriteAnyDatabase', db: 'admin' }]);
  assert.deepEqual(await levels(anybody, { delivery: 'exactly-once', ...rows }), [
    'reachable: ok',
    'transactions: ok',
    'privileges: ok',
  ]);
});

test('what `readWrite` does not include is named by doctor, and not used without being told to', async () => {
  await using server = await startMongo({ auth: true });
  await using fixture = await TargetFixture.open(server.uri);
  const database = fixture.target.databaseName;
  const readWrite = { role: 'readWrite', db: database };
  const uriOf = (user: string, roles: readonly object[]) => createMongoUser(server, { user, password: 'p', roles });
  const writer = await uriOf('writer', [readWrite]);
  const owner = await uriOf('owner', [readWrite, { role: 'dbAdmin', db: database }]);
  const structure = async (uri: string, settings: object) => {
    const config = mongodbSinkConfig.parse({ uri, database, ...settings });
    const found = (await checkMongodbSink(config, fixture.context)).find(({ check }) => check.endsWith('-structure'));
    return found && [found.level, found.message.replaceAll(database, 'DB')];
  };
  const collMod = 'change the options of collections in the database DB';
  const refused = 'write what the validators of the database DB refuse';
  assert.deepEqual(await structure(writer, {}), ['warning', `the user may not ${refused}, and not ${collMod}`]);
  assert.deepEqual(await structure(writer, { validation: 'check' }), ['warning', `the user may not ${collMod}`]);
  const word = { validation: 'bypass', ddl: 'warn' };
  assert.deepEqual(await structure(writer, word), ['error', `the user may not ${refused}`]);
  assert.equal(await structure(owner, {}), undefined);

  await fixture.target.createCollection('strict', { validator: { n: { $lt: 10 } } });
  const after = b.document(['_id', b.int32(1)], ['n', b.int32(20)]);
  const event = rawEvent({ op: 'insert', coll: 'strict', after, sequence: 1 });
  const rejectedFor = async (uri: string, settings: object = {}) => {
    await using sink = await fixture.sink({ uri, ...settings });
    return (await writeEvents(sink, [event])).rejections.map(({ error }) => error.code);
  };
  assert.deepEqual(await rejectedFor(writer), ['mongodb.validation-failed']);
  assert.deepEqual(await rejectedFor(owner), []);
  await assert.rejects(rejectedFor(writer, word), { kind: 'transient', code: 'mongodb.unauthorized' });
});

test('doctor says that nobody answers', async () => {
  const signal = new AbortController().signal;
  const context = { pipeline: 'test', partition: 'test/0', logger: silentLogger, signal };
  const uri = 'mongodb://127.0.0.1:1/?directConnection=true';
  const config = mongodbSinkConfig.parse({ uri, serverSelectionTimeout: '500ms' });
  const findings = await checkMongodbSink(config, context);
  assert.deepEqual(
    findings.map(({ check, level }) => [check, level]),
    [['mongodb.target-reachable', 'error']],
  );
});
