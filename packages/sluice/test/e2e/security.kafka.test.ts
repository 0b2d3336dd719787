import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { MongoClient } from 'mongodb';
import type { PipelineStatus } from '../../src/core/status.ts';
import { startKafka } from '../../src/testing/servers/kafka.ts';
import { startMongo } from '../../src/testing/servers/mongo.ts';
import { createMongoUser, setMongoPassword } from '../../src/testing/servers/mongo-admin.ts';
import { runSluice, type SluiceProcess } from '../../src/testing/sluice-process.ts';
import { isReady, pipelineBed } from '../pipeline-bed.ts';

const FIRST = { user: 'sluice-cdc', password: 'first-canary-4711' };
const SECOND = { user: 'sluice-cdc', password: 'second-canary-0815' };
const THIRD_KAFKA = 'third-canary-2323';

/** Exactly what the documentation asks for: the stream of one database, and the collections for positions and dead letters. */
function leastPrivileges(db: string) {
  const own = { db: 'sluice', collection: '' };
  return [
    { resource: { db, collection: '' }, actions: ['find', 'changeStream'] },
    { resource: own, actions: ['find', 'insert', 'update', 'remove', 'createCollection', 'createIndex'] },
  ];
}

/** Other errors may come before, from servers that are slow to answer. */
const isRefused = ({ error }: PipelineStatus) => /authentication/.test(error?.code ?? '');

test('least privileges, TLS and SCRAM; wrong credentials, rotated credentials; no secret anywhere', {
  timeout: 600_000,
}, async () => {
  await using mongo = await startMongo({ auth: true, tls: true });
  await using kafka = await startKafka({ sasl: 'scram-sha-512', tls: true });
  const login = kafka.security.login;
  const kafkaTls = kafka.security.tls;
  assert.ok(login && kafkaTls && mongo.certificates);
  await using bed = await pipelineBed({
    mongo: '',
    brokers: kafka.brokers,
    source: { tls: { caFile: mongo.certificates.caFile } },
    sink: {
      sasl: { mechanism: 'scram-sha-512', username: login.user, password: '${env:BED_KAFKA_PASSWORD}' },
      tls: { ca: kafkaTls.files.caFile },
    },
    pipeline: { deadLetter: { mongodb: {} } },
  });
  const uri = await createMongoUser(mongo, { ...FIRST, privileges: leastPrivileges(bed.db) });
  const outputs: string[] = [];
  const keep = (process: SluiceProcess) => outputs.push(process.stdout + process.stderr);
  const envFor = (mongoUri: string, kafkaPassword: string) => ({
    env: { BED_MONGO_URI: mongoUri, BED_KAFKA_PASSWORD: kafkaPassword },
  });
  const client = await MongoClient.connect(mongo.uri);
  const items = client.db(bed.db).collection<{ _id: number }>('items');
  try {
    // Both passwords wrong: it says so, retries, and tells nobody the password.
    {
      await using wrong = bed.start(envFor(uri.replace(FIRST.password, SECOND.password), THIRD_KAFKA));
      await bed.waitFor(wrong, isRefused);
      await wrong.end('SIGTERM');
      keep(wrong);
    }
    const environment = envFor(uri, login.password);
    const doctor = await runSluice(['doctor', '-c', bed.configPath], environment);
    outputs.push(doctor.stdout, doctor.stderr);
    assert.equal(doctor.code, 0, doctor.stdout + doctor.stderr);

    await using sluice = bed.start(environment);
    await bed.waitFor(sluice, isReady);
    await items.insertOne({ _id: 1 });
    await bed.waitFor(sluice, ({ counts }) => counts.delivered === 1);
    await sluice.end('SIGTERM');
    keep(sluice);

    // Rotated: the old password fails, the new one goes on where the old one stopped.
    await setMongoPassword(mongo, SECOND);
    await kafka.setPassword(login.user, THIRD_KAFKA);
    await items.insertOne({ _id: 2 });
    {
      await using stale = bed.start(environment);
      await bed.waitFor(stale, isRefused);
      await stale.end('SIGTERM');
      keep(stale);
    }
    await using rotated = bed.start(envFor(uri.replace(FIRST.password, SECOND.password), THIRD_KAFKA));
    await bed.waitFor(rotated, ({ counts }) => counts.delivered === 1);
    await rotated.end('SIGTERM');
    keep(rotated);
  } finally {
    await client.close();
  }
  const files = await readdir(bed.directory, { recursive: true, withFileTypes: true });
  for (const file of files.filter((entry) => entry.isFile())) {
    outputs.push(await readFile(`${file.parentPath}/${file.name}`, 'utf8'));
  }
  for (const secret of [FIRST.password, SECOND.password, THIRD_KAFKA, login.password]) {
    assert.ok(!outputs.join('\n').includes(secret), 'a password shows up in the output');
  }
});
