import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';
import { SluiceError } from '../../core/failure.ts';
import { type MongoServer, startMongo } from '../../testing/servers/mongo.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { checkMongodbSource } from './check.ts';
import { mongodbSourceConfig } from './config.ts';
import { openMongodbSource } from './source.ts';
import { hangReadsUntil, Reading, StreamFixture } from './stream-fixture.ts';

/*
 * Authentication and TLS: least privilege, wrong and changed credentials, and no secret in anything that is shown.
 */

const LIMIT = { timeout: 300_000 };

let server: MongoServer;
let root: StreamFixture;
before(async () => {
  server = await startMongo({ auth: true, tls: true });
  root = await StreamFixture.open(server.uri);
});
after(async () => {
  await root[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const secret = () => `s3cr3t/${randomBytes(8).toString('hex')}`;

async function createUser(privileges: object[]) {
  const user = `user_${randomBytes(4).toString('hex')}`;
  const password = secret();
  const admin = root.client.db('admin');
  await admin.command({ createRole: `${user}_role`, privileges, roles: [] });
  await admin.command({ createUser: user, pwd: password, roles: [`${user}_role`] });
  return { user, password, uri: server.uriFor({ user, password }) };
}

const streamPrivilege = (db: string, collection: string) => ({
  resource: { db, collection },
  actions: ['find', 'changeStream'],
});

/** Runs `work` and gives the error it must end with; checks that it shows none of the secrets. */
async function failure(work: () => Promise<unknown>, ...secrets: string[]): Promise<SluiceError> {
  const error = await work().then(
    () => assert.fail('it did not fail'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof SluiceError, inspect(error));
  const shown = [
    error.message,
    error.hint,
    error.stack,
    inspect(error, { depth: 12, showHidden: true }),
    JSON.stringify(error),
  ];
  for (const text of secrets) {
    for (const form of [text, encodeURIComponent(text)])
      assert.ok(!shown.join('\n').includes(form), 'a secret is shown');
  }
  return error;
}

test('find and changeStream on the collection are enough', LIMIT, async () => {
  const db = root.db.databaseName;
  const { uri } = await createUser([streamPrivilege(db, 'a')]);
  await root.db.createCollection('a', { changeStreamPreAndPostImages: { enabled: true } });
  const settings = { uri, include: [`${db}.a`], fullDocument: 'required', beforeImage: 'required', ddl: true };
  await using source = await root.source(settings);
  await using reading = await new Reading(source).start();
  await root.db.collection<{ _id: number; n?: number }>('a').insertOne({ _id: 1 });
  await root.db.collection<{ _id: number; n?: number }>('a').updateOne({ _id: 1 }, { $set: { n: 1 } });
  await reading.count(2);
  assert.deepEqual(reading.ops, ['insert', 'update']);
  // What needs more is simply not known.
  assert.doesNotMatch(source.binding.deployment, /\//);
  const known = waitFor(async () => ({ window: await source.window(new AbortController().signal) }), {
    timeoutMs: 60_000,
    retryErrors: true,
    message: 'the server answers in time',
  });
  assert.equal((await known).window, undefined);
});

test('the watchdog can ask about its own operation without a privilege', LIMIT, async () => {
  const db = root.db.databaseName;
  const { uri } = await createUser([streamPrivilege(db, 'a')]);
  await using source = await root.source({ uri, include: [`${db}.a`], answerTimeout: '3s' });
  await using reading = await new Reading(source).start();
  const before = root.log.length;
  const isLogged = () => root.log.slice(before).some(({ message }) => message.includes('still looking'));
  await Promise.all([hangReadsUntil(root.client, isLogged), reading.until(isLogged)]);
});

test('a missing privilege is named by doctor, with the grant', LIMIT, async () => {
  const db = root.db.databaseName;
  const { uri, password } = await createUser([streamPrivilege(db, 'a')]);
  await using source = await root.source({ uri, include: [`${db}.b`] });
  await using reading = new Reading(source);
  const error = await failure(() => reading.start(), password);
  assert.equal(error.code, 'mongodb.unauthorized');
  assert.equal(error.kind, 'transient');
  const config = mongodbSourceConfig.parse({ uri, include: [`${db}.b`] });
  const findings = await checkMongodbSource(config, root.context);
  const stream = findings.find(({ check }) => check === 'mongodb.stream');
  assert.equal(stream?.level, 'error');
  assert.ok(stream.fix?.includes(`"resource":{"db":"${db}","collection":"b"},"actions":["find","changeStream"]`));
  assert.doesNotMatch(JSON.stringify(findings), new RegExp(password));
  assert.equal(findings.find(({ check }) => check === 'mongodb.oplog-window')?.level, 'warning');
});

test('a role that is taken away ends the read, and given back it goes on', LIMIT, async () => {
  const db = root.db.databaseName;
  const { uri, user } = await createUser([streamPrivilege(db, '')]);
  await using source = await root.source({ uri });
  await using reading = await new Reading(source).start();
  const admin = root.client.db('admin');
  await admin.command({ revokeRolesFromUser: user, roles: [`${user}_role`] });
  await assert.rejects(
    reading.until(() => false),
    { kind: 'transient', code: 'mongodb.unauthorized' },
  );
  await root.db.collection('c').insertOne({});
  await admin.command({ grantRolesToUser: user, roles: [`${user}_role`] });
  await using again = await new Reading(source, reading.from).count(1);
  assert.deepEqual(again.ops, ['insert']);
});

test('wrong credentials are transient, say so, and show nothing', LIMIT, async () => {
  const { user, password } = await createUser([streamPrivilege('', '')]);
  const wrong = secret();
  const uri = server.uriFor({ user, password: wrong });
  const error = await failure(() => root.source({ uri }), wrong, password);
  assert.equal(error.kind, 'transient');
  assert.equal(error.code, 'mongodb.authentication-failed');
  // Rotated on the server: now the same URI works.
  await root.client.db('admin').command({ updateUser: user, pwd: wrong });
  await using source = await root.source({ uri });
  await using reading = await new Reading(source).start();
  assert.equal(reading.batches.length, 1);
});

test('a server that cannot be reached or trusted is transient, and shows nothing', LIMIT, async () => {
  const password = secret();
  const quick = { serverSelectionTimeout: '500ms' };
  const elsewhere = `mongodb://user:${encodeURIComponent(password)}@127.0.0.1:1/?directConnection=true`;
  const unreachable = await failure(() => root.source({ uri: elsewhere, ...quick }), password);
  assert.equal(unreachable.code, 'mongodb.unreachable');
  const untrusted = new URL(server.uriFor({ user: 'user', password }));
  untrusted.searchParams.delete('tlsCAFile');
  // As long as it takes to fail at the certificate and not at the time.
  const tls = await failure(() => root.source({ uri: untrusted.href, serverSelectionTimeout: '6s' }), password);
  assert.equal(tls.code, 'mongodb.tls');
});

test('the TLS section replaces options of the URI', LIMIT, async () => {
  const plain = new URL(server.uri);
  plain.searchParams.delete('tlsCAFile');
  plain.searchParams.delete('tls');
  const caFile = server.certificates?.caFile;
  await using source = await root.source({ uri: plain.href, tls: { caFile } });
  assert.ok(source.binding.deployment);
  await using insecure = await root.source({ uri: plain.href, tls: { insecure: true } });
  assert.equal(insecure.binding.deployment, source.binding.deployment);
});

test('a missing TLS file is a configuration error', LIMIT, async () => {
  const error = await failure(() => root.source({ tls: { caFile: '/nowhere/ca.pem' } }));
  assert.equal(error.kind, 'config');
  assert.equal(error.code, 'mongodb.tls-file');
});

for (const option of ['tlsInsecure=true', 'tlsAllowInvalidCertificates=true', 'TLSALLOWINVALIDHOSTNAMES=true']) {
  test(`${option} in the URI needs tls.insecure`, LIMIT, async () => {
    const password = secret();
    const uri = `mongodb://user:${encodeURIComponent(password)}@127.0.0.1:1/?${option}`;
    const error = await failure(() => root.source({ uri }), password);
    assert.equal(error.kind, 'config');
    assert.equal(error.code, 'mongodb.insecure-tls');
  });
}

test('a URI that the driver refuses is a configuration error, and shows nothing', LIMIT, async () => {
  for (const rest of [
    '@host/?replicaSet=a&nonsense=1',
    '@host:x/',
    '@/',
    '@host/?authMechanism=NOPE',
    '@host/?tls=maybe',
  ]) {
    const password = secret();
    const error = await failure(
      () => root.source({ uri: `mongodb://user:${encodeURIComponent(password)}${rest}` }),
      password,
    );
    assert.equal(error.kind, 'config', rest);
    assert.equal(error.code, 'mongodb.uri-invalid', rest);
  }
});

test('an abort ends a connect that would take long', LIMIT, async () => {
  const stop = new AbortController();
  const config = mongodbSourceConfig.parse({ uri: 'mongodb://127.0.0.1:1/', serverSelectionTimeout: '30s' });
  const opening = openMongodbSource(config, { ...root.context, signal: stop.signal });
  const reason = new Error('stop');
  setTimeout(() => stop.abort(reason), 100);
  const startedAtMs = performance.now();
  await assert.rejects(opening, reason);
  assert.ok(performance.now() - startedAtMs < 20_000);
});
