import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Document, MongoClient } from 'mongodb';
import { type MongoServer, startMongo } from '../../../testing/servers/mongo.ts';
import { createMongoUser } from '../../../testing/servers/mongo-admin.ts';
import { waitFor } from '../../../testing/wait-for.ts';
import { Reading } from '../stream-fixture.ts';
import { applyTo, DdlFixture, madeEvent } from './ddl-fixture.ts';

/*
 * What needs a server of its own: users with few rights, and an index that takes long.
 */

const LIMIT = { timeout: 300_000 };

let server: MongoServer;
before(async () => {
  server = await startMongo({ auth: true });
});
after(() => server[Symbol.asyncDispose]());

test('who may not ask what collections are like gets their rows, and is told what is missing', LIMIT, async () => {
  await using fixture = await DdlFixture.open(server.uri);
  const { source: db, stream } = fixture;
  await db.collection('items').insertMany([{ n: 1 }, { n: 2 }]);
  const resource = { db: db.databaseName, collection: '' };
  const privileges = [{ resource, actions: ['find', 'changeStream'] }];
  const uri = await createMongoUser(server, { user: 'reader', password: 'pass-word', privileges });
  await using source = await stream.source({ uri, snapshot: { mode: 'initial', structure: true } });
  await using reading = await new Reading(source).count(2);
  assert.deepEqual(reading.ops, ['snapshot', 'snapshot']);
  const told = fixture.warnings.filter((line) => /options and indexes of collections are left out/.test(line));
  assert.equal(told.length, 1);
});

test('with the role `read` collections are described', LIMIT, async () => {
  await using fixture = await DdlFixture.open(server.uri);
  const { source: db, stream } = fixture;
  await db.collection('items').insertOne({ n: 1 });
  await db.collection('items').createIndex({ n: 1 });
  const roles = [{ role: 'read', db: db.databaseName }];
  const uri = await createMongoUser(server, { user: 'role-reader', password: 'pass-word', roles });
  await using source = await stream.source({ uri, snapshot: { mode: 'initial', structure: true } });
  await using reading = await new Reading(source).count(3);
  assert.deepEqual(reading.ops, ['create', 'snapshot', 'createIndexes']);
});

test('a right that is missing at the target is waited for', LIMIT, async () => {
  await using fixture = await DdlFixture.open(server.uri);
  const name = fixture.target.databaseName;
  const roles = [{ role: 'read', db: name }];
  const uri = await createMongoUser(server, { user: 'writer', password: 'pass-word', roles });
  await using client = await new MongoClient(uri).connect();
  const ns = { db: fixture.source.databaseName, coll: 'items' };
  const event = madeEvent({ operationType: 'create', ns, operationDescription: { idIndex: {} } });
  const ddl = fixture.ddl('apply', { client });
  await assert.rejects(applyTo(ddl, event), { kind: 'transient', code: 'mongodb.unauthorized' });
});

test('an index may take longer to build than other answers may take', LIMIT, async () => {
  await using fixture = await DdlFixture.open(server.uri);
  const { client: admin } = fixture.stream;
  await fixture.target.collection('items').insertOne({ n: 1 });
  await using client = await new MongoClient(server.uri, { socketTimeoutMS: 3_000 }).connect();
  const hang = (mode: string) => admin.db('admin').command({ configureFailPoint: 'hangAfterStartingIndexBuild', mode });
  await hang('alwaysOn');
  const ns = { db: fixture.source.databaseName, coll: 'items' };
  const operationDescription = { indexes: [{ v: 2, key: { n: 1 }, name: 'n' }] };
  const event = madeEvent({ operationType: 'createIndexes', ns, operationDescription });
  const applied = Promise.allSettled([applyTo(fixture.ddl('apply', { client }), event)]);
  try {
    await waitFor(
      async () => {
        const asked = await admin.db('admin').command({ currentOp: 1, 'command.createIndexes': 'items' });
        return (asked['inprog'] as Document[]).some((one) => Number(one['microsecs_running']) > 7_000_000);
      },
      { timeoutMs: 90_000, intervalMs: 100, message: 'the same command goes on for longer than the limit' },
    );
  } finally {
    await hang('off');
  }
  assert.deepEqual(await applied, [{ status: 'fulfilled', value: 'applied' }]);
  assert.equal((await fixture.target.collection('items').indexes()).length, 2);
});
