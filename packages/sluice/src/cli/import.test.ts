import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runSluice } from '../testing/sluice-process.ts';
import { tempDir } from '../testing/temp-dir.ts';

const CANARY = 'canary-4711';
const BROKERS = ['--brokers', 'localhost:9092'];

/** A connector's file with a password. */
async function connectorFile(directory: string, more: object = {}): Promise<string> {
  const file = join(directory, 'connector.json');
  const config = {
    'connector.class': 'com.mongodb.kafka.connect.MongoSourceConnector',
    'connection.uri': `mongodb://app:${CANARY}@127.0.0.1:1/?serverSelectionTimeoutMS=500`,
    'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
    'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
    ...more,
  };
  await writeFile(file, JSON.stringify({ name: 'users', config }));
  return file;
}

test('import prints YAML that validates, and the report beside it', async () => {
  await using directory = await tempDir('import');
  const file = await connectorFile(directory.path, { 'made.up': '1' });
  const { code, stdout, stderr } = await runSluice(['import', 'kafka-connect', file, ...BROKERS]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^# yaml-language-server/);
  assert.match(stdout, /mongodb:\/\/app:\$\{env:MONGO_PASSWORD\}@/);
  assert.match(stderr, /made\.up +1 +not supported +unknown/);
  assert.match(stderr, /Set MONGO_PASSWORD/);
  assert.doesNotMatch(stdout + stderr, new RegExp(CANARY));
  const config = join(directory.path, 'sluice.yaml');
  await writeFile(config, stdout);
  const checked = await runSluice(['validate', '-c', config], { env: { MONGO_PASSWORD: 'x' } });
  assert.equal(checked.code, 0, checked.stderr);
});

test('import writes a file once, and with --strict tells differences by its code', async () => {
  await using directory = await tempDir('import');
  const file = await connectorFile(directory.path, { transforms: 'a' });
  const output = join(directory.path, 'out.yaml');
  const call = ['import', 'kafka-connect', file, ...BROKERS, '-o', output];
  assert.equal((await runSluice([...call, '--strict'])).code, 4);
  const written = await readFile(output, 'utf8');
  assert.match(written, /users:/);
  const again = await runSluice(call);
  assert.equal(again.code, 2);
  assert.match(again.stderr, /is already there.*\nhint: overwrite it with --force/);
  const forced = await runSluice([...call, '--force', '--json']);
  assert.equal(forced.code, 0, forced.stderr);
  const { result } = JSON.parse(forced.stdout) as { result: { report: { option: string; outcome: string }[] } };
  assert.equal(result.report.find(({ option }) => option === 'transforms')?.outcome, 'not-supported');
});

test('import says what is missing', async () => {
  await using directory = await tempDir('import');
  const file = await connectorFile(directory.path);
  const nowhere = await runSluice(['import', 'kafka-connect', file]);
  assert.equal(nowhere.code, 2);
  assert.match(nowhere.stderr, /does not say where Kafka is.*\nhint: Add --brokers/);
  const sink = await connectorFile(directory.path, {
    'connector.class': 'x.MongoSinkConnector',
    topics: 'shop.orders',
  });
  const worker = await runSluice(['import', 'kafka-connect', sink, '--brokers', 'k:9092']);
  assert.equal(worker.code, 0, worker.stderr);
  assert.match(worker.stdout, /group: connect-/);
});

test('import of mongodb-nats-connector does not start now only because MongoDB is away', async () => {
  await using directory = await tempDir('import');
  const env = {
    MONGO_URI: `mongodb://u:${CANARY}@127.0.0.1:1/?serverSelectionTimeoutMS=500`,
    MONGO_WATCH_COLLECTIONS: 'shop.orders',
    CONFIG_FILE: '',
  };
  const options = { cwd: directory.path, env };
  const away = await runSluice(['import', 'nats-connector'], options);
  assert.equal(away.code, 3, away.stderr);
  assert.equal(away.stdout, '');
  assert.doesNotMatch(away.stderr, new RegExp(CANARY));
  const offline = await runSluice(['import', 'nats-connector', '--offline'], options);
  assert.equal(offline.code, 0, offline.stderr);
  assert.match(offline.stdout, /stream: ORDERS/);
  assert.match(offline.stderr, /were not read: starts now/);
});

test('run --from refuses what it cannot do, and checks the rest like a file of its own', async () => {
  await using directory = await tempDir('import');
  const file = await connectorFile(directory.path, { 'made.up': '1' });
  const refused = await runSluice(['run', '--from', 'kafka-connect', file, ...BROKERS]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /not everything in the file is supported: made\.up \(unknown\)/);
  assert.doesNotMatch(refused.stderr, new RegExp(CANARY));
});
