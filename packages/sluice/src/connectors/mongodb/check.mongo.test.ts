import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Finding } from '../../core/connector.ts';
import { findMongod } from '../../testing/servers/find-mongod.ts';
import { freePorts } from '../../testing/servers/free-port.ts';
import { testMongo } from '../../testing/servers/mongo.ts';
import { planMember } from '../../testing/servers/mongo-member.ts';
import { openServerHome } from '../../testing/servers/server-home.ts';
import { checkMongodbCheckpointStore, checkMongodbDeadLetters, checkMongodbSource } from './check.ts';
import { checkpointStoreConfig, deadLetterConfig, mongodbSourceConfig } from './config.ts';
import { StreamFixture } from './stream-fixture.ts';

const LIMIT = { timeout: 300_000 };

let fixture: StreamFixture;
before(async () => {
  fixture = await StreamFixture.open(await testMongo());
  const { db } = fixture;
  await db.createCollection('plain');
  await db.createCollection('imaged', { changeStreamPreAndPostImages: { enabled: true } });
  await db.createCollection('measured', { timeseries: { timeField: 't' } });
  await db.createCollection('view', { viewOn: 'plain', pipeline: [] });
});
after(() => fixture[Symbol.asyncDispose]());

async function check(settings: Record<string, unknown>): Promise<Map<string, Finding>> {
  const include = [`${fixture.db.databaseName}.*`];
  const config = mongodbSourceConfig.parse({ uri: fixture.uri, include, ...settings });
  const findings = await checkMongodbSource(config, fixture.context);
  return new Map(findings.map((finding) => [finding.check, finding]));
}

const namespace = (coll: string) => `${fixture.db.databaseName}.${coll}`;

test('a healthy source: everything is looked at', LIMIT, async () => {
  const findings = await check({ include: [namespace('{plain,imaged}')], fullDocument: 'updateLookup' });
  for (const name of ['reachable', 'version', 'feature-version', 'stream', 'collections']) {
    assert.equal(findings.get(`mongodb.${name}`)?.level, 'ok', name);
  }
  assert.match(findings.get('mongodb.oplog-window')?.message ?? '', /holds the last/);
  assert.equal(findings.has('mongodb.images'), false, 'no images are wanted');
});

test('views and time series that the patterns match are named', LIMIT, async () => {
  const silent = (await check({})).get('mongodb.silent-collections');
  assert.equal(silent?.level, 'warning');
  assert.match(silent.message, /measured.*view|view.*measured/);
  const one = await check({ include: [namespace('measured')] });
  assert.equal(one.get('mongodb.silent-collections')?.level, 'error');
  assert.equal(one.get('mongodb.stream')?.level, 'error');
});

test('images that are wanted and not kept come with the command that keeps them', LIMIT, async () => {
  const settings = { include: [namespace('{plain,imaged}')], fullDocument: 'whenAvailable' };
  const images = (await check(settings)).get('mongodb.images');
  assert.equal(images?.level, 'warning');
  assert.match(images.message, /plain/);
  assert.doesNotMatch(images.message, /imaged/);
  const command = /runCommand\((\{.*\})\)/.exec(images.fix ?? '')?.[1] ?? '';
  assert.equal((await check({ ...settings, beforeImage: 'required' })).get('mongodb.images')?.level, 'error');
  await fixture.db.command(JSON.parse(command));
  assert.equal((await check(settings)).get('mongodb.images')?.level, 'ok');
});

test('a pipeline that the server rejects is found', LIMIT, async () => {
  const findings = await check({ pipeline: [{ $match: { n: { $nonsense: 1 } } }] });
  assert.equal(findings.get('mongodb.stream')?.level, 'error');
  assert.match(findings.get('mongodb.stream')?.message ?? '', /\$nonsense/);
});

test('a filter that matches nothing yet is a warning', LIMIT, async () => {
  assert.equal((await check({ include: [namespace('absent*')] })).get('mongodb.collections')?.level, 'warning');
});

test('an unreachable server is one finding', LIMIT, async () => {
  const findings = await check({ uri: 'mongodb://127.0.0.1:1/', serverSelectionTimeout: '500ms' });
  assert.deepEqual([...findings.keys()], ['mongodb.reachable']);
  assert.equal(findings.get('mongodb.reachable')?.level, 'error');
});

test('the stores are written to, and nothing is left', LIMIT, async () => {
  const place = { uri: fixture.uri, database: fixture.db.databaseName };
  const [checkpoints] = await checkMongodbCheckpointStore(checkpointStoreConfig.parse(place), fixture.context);
  assert.equal(checkpoints?.level, 'ok');
  const [letters] = await checkMongodbDeadLetters(deadLetterConfig.parse(place), fixture.context);
  assert.equal(letters?.level, 'ok');
  assert.equal(await fixture.db.collection('checkpoints').countDocuments(), 0);
});

test('a single server is told from a replica set', LIMIT, async () => {
  const home = await openServerHome('standalone');
  try {
    const [port = 0] = await freePorts(1);
    const uriOf = (at: number) => `mongodb://127.0.0.1:${at}/?directConnection=true`;
    const mongod = await findMongod();
    await planMember({ home, mongod, name: 'single', port, args: [], uriOf }).launch();
    const findings = await check({ uri: uriOf(port) });
    assert.match(findings.get('mongodb.reachable')?.message ?? '', /not a member of a replica set/);
    assert.match(findings.get('mongodb.reachable')?.fix ?? '', /--replSet/);
    await assert.rejects(fixture.source({ uri: uriOf(port) }), { kind: 'config', code: 'mongodb.not-a-replica-set' });
  } finally {
    await home[Symbol.asyncDispose]();
  }
});
