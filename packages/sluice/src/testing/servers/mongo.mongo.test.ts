import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { MongoClient, MongoServerError } from 'mongodb';
import { waitFor } from '../wait-for.ts';
import { startMongo, testMongo } from './mongo.ts';
import { createMongoUser, failCommands, primaryOf, setMongoPassword, stepDown } from './mongo-admin.ts';
import { withMongo } from './mongo-member.ts';
import { exists, startServerOwner, waitUntilGone } from './orphan-check.ts';

/** For a server that cannot be reached; long enough for one that can to say why it refuses. */
const QUICK = { serverSelectionTimeoutMS: 5_000 };
const insert = (uri: string, options = {}) =>
  withMongo(uri, (client) => client.db('shop').collection('orders').insertOne({ at: new Date() }), options);
const code = (expected: number) => (error: unknown) => error instanceof MongoServerError && error.code === expected;

test('the shared server takes writes and is the same for the whole process', async () => {
  const uri = await testMongo();
  assert.equal(await testMongo(), uri);
  await withMongo(uri, async (client) => {
    const db = client.db(`bed-${randomUUID()}`);
    await db.collection('a').insertOne({ a: 1 });
    await db.dropDatabase();
  });
});

test('a killed member comes back with its data, and nothing is left after disposal', async () => {
  const server = await startMongo();
  const [member] = server.members;
  assert.ok(member !== undefined);
  await insert(server.uri);
  const firstPid = member.pid;
  await member.kill('SIGKILL');
  await assert.rejects(insert(server.uri, QUICK));
  await member.start();
  assert.notEqual(member.pid, firstPid);
  await insert(server.uri);
  assert.equal(await withMongo(server.uri, (client) => client.db('shop').collection('orders').countDocuments()), 2);
  await server[Symbol.asyncDispose]();
  await waitUntilGone({ dir: member.dbPath, pids: [firstPid, member.pid] });
});

test('a mongod does not outlive a killed test run', async () => {
  const owner = await startServerOwner(
    `
    import { dirname } from 'node:path';
    import { startMongo } from './mongo.ts';
    const { members } = await startMongo();
    console.log(JSON.stringify({ dir: dirname(members[0].dbPath), pids: members.map((member) => member.pid) }));
    setInterval(() => {}, 1000);
    `,
    import.meta.url,
  );
  assert.ok(await exists(owner.dir));
  owner.process.kill('SIGKILL');
  await once(owner.process, 'exit');
  await waitUntilGone(owner);
});

test('three members elect a new primary when theirs is killed or steps down', async () => {
  await using server = await startMongo({ members: 3 });
  assert.doesNotMatch(server.uri, /directConnection/);
  await insert(server.uri);
  const killed = await primaryOf(server);
  await killed.kill();
  const second = await primaryOf(server);
  assert.notEqual(second.port, killed.port);
  await waitFor(async () => (await insert(server.uri)).acknowledged, {
    timeoutMs: 90_000,
    retryErrors: true,
    message: 'writes work again',
  });
  await killed.start();
  assert.notEqual((await stepDown(server, 120)).port, second.port);
});

test('with auth nobody gets in without a login, and a user can do only what it was given', async () => {
  await using server = await startMongo({ auth: true });
  await insert(server.uri);
  await assert.rejects(insert(server.uriFor(undefined)), code(13));
  const wrong = server.uriFor({ user: 'root', password: 'wrong' });
  await assert.rejects(insert(wrong), code(18));
  const uri = await createMongoUser(server, {
    user: 'reader',
    password: 'first/:@password',
    privileges: [{ resource: { db: 'shop', collection: 'orders' }, actions: ['find', 'changeStream'] }],
  });
  const read = (as: string) => withMongo(as, (client) => client.db('shop').collection('orders').findOne());
  assert.ok(await read(uri));
  await assert.rejects(insert(uri), code(13));
  await setMongoPassword(server, { user: 'reader', password: 'second' });
  await assert.rejects(read(uri), code(18));
  assert.ok(await read(server.uriFor({ user: 'reader', password: 'second' })));
});

test('with TLS plain text is refused, and so is a client that does not trust the CA', async () => {
  await using server = await startMongo({ tls: true, auth: true });
  assert.ok(server.certificates !== undefined);
  await insert(server.uri);
  await assert.rejects(insert(server.uri.replace('tls=true', 'tls=false').replace(/&tlsCAFile=[^&]*/, ''), QUICK));
  await assert.rejects(insert(server.uri.replace(/&tlsCAFile=[^&]*/, ''), QUICK), /certificate/);
  await insert(`${server.uri}&tlsCertificateKeyFile=${encodeURIComponent(server.certificates.clientFile)}`);
  const socket = connect({
    host: '127.0.0.1',
    port: server.members[0]?.port ?? 0,
    ca: await readFile(server.certificates.caFile),
  });
  await once(socket, 'secureConnect');
  assert.equal(socket.authorized, true);
  socket.destroy();
});

test('a small oplog forgets within seconds', { timeout: 240_000 }, async () => {
  await using server = await startMongo({ oplogSizeMb: 1 });
  const client = await MongoClient.connect(server.uri);
  try {
    const orders = client.db('shop').collection('orders');
    await orders.insertOne({ first: true });
    const stream = orders.watch();
    const token = stream.resumeToken ?? (await stream.tryNext(), stream.resumeToken);
    await stream.close();
    const pad = 'x'.repeat(100_000);
    await waitFor(
      async () => {
        await orders.insertMany(Array.from({ length: 20 }, () => ({ pad })));
        const late = orders.watch([], { resumeAfter: token, maxAwaitTimeMS: 10 });
        return late.tryNext().then(
          () => late.close().then(() => false),
          (error: unknown) => code(286)(error),
        );
      },
      { timeoutMs: 180_000, intervalMs: 200, message: 'the oplog no longer has the token' },
    );
  } finally {
    await client.close();
  }
});

test('commands fail as they are told to, for one application name, until the end of the block', async () => {
  const uri = `${await testMongo()}&appName=bed-${randomUUID()}`;
  const appName = new URL(uri).searchParams.get('appName') ?? '';
  const count = () => withMongo(uri, (client) => client.db('shop').command({ count: 'orders' }));
  {
    await using _ = await failCommands(await testMongo(), { failCommands: ['count'], errorCode: 96, appName });
    await assert.rejects(count(), code(96));
    await withMongo(await testMongo(), (client) => client.db('shop').command({ count: 'orders' }));
  }
  await count();
});
