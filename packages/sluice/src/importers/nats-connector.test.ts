import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { checkConfigText } from '../config/load.ts';
import { registry } from '../connectors/registry.ts';
import { SluiceError } from '../core/failure.ts';
import { assertGolden } from '../testing/golden.ts';
import type { ImportResult } from './import-result.ts';
import { importNatsConnector, type TokenPlace } from './nats-connector.ts';

const CANARY = 'canary-4711';
const TOKEN = `82${'0'.repeat(16)}ab`;

const FILE = `connector:
  log:
    level: warn
  mongo:
    uri: mongodb://u:${CANARY}@127.0.0.1:27017/?replicaSet=rs0
  nats:
    url: nats://n:${CANARY}-n@127.0.0.1:4222
  server:
    addr: 127.0.0.1:8085
  collections:
    - dbName: shop
      collName: orders
      changeStreamPreAndPostImages: true
      tokensDbName: positions
      tokensCollName: o
      tokensCollCapped: true
      tokensCollSizeInBytes: 4096
      streamName: ORD
    - dbName: shop
      collName: users
`;

function load({ yaml, variables, secrets }: ImportResult) {
  const values = variables.map(({ name }) => [name, secrets[name]?.reveal() ?? 'mongodb://stand-in-of-some-length']);
  const env = Object.fromEntries(values) as Record<string, string>;
  return checkConfigText(yaml ?? '', { file: 'sluice.yaml', registry, env }).config;
}

test('each collection becomes a pipeline that continues behind its newest token', async () => {
  const places: TokenPlace[] = [];
  const readToken = async (_uri: string, place: TokenPlace) => {
    places.push(place);
    return place.collection === 'o' ? TOKEN : undefined;
  };
  const result = await importNatsConnector(FILE, { env: {}, readToken });
  assert.deepEqual(places, [
    { database: 'positions', collection: 'o' },
    { database: 'resume-tokens', collection: 'users' },
  ]);
  assertGolden(resolve(import.meta.dirname, 'golden/nats-connector.yaml'), result.yaml ?? '');
  assert.doesNotMatch(`${result.yaml}${JSON.stringify(result.report)}`, new RegExp(CANARY));
  assert.deepEqual(
    result.report.filter(({ outcome }) => outcome === 'not-supported'),
    [],
  );
  const { http, log, pipelines } = load(result);
  assert.deepEqual([http.listen, log.level], [{ host: '127.0.0.1', port: 8085 }, 'warn']);
  const [orders, users] = pipelines;
  // Names say all that tells collections apart, so that they stay when the file changes.
  assert.deepEqual(result.pipelines, ['shop-orders-ORD', 'shop-users']);
  assert.deepEqual(orders?.source.config['startAt'], { token: TOKEN });
  assert.equal(users?.source.config['startAt'], 'now');
  assert.deepEqual([orders?.sink.config['stream'], orders?.sink.config['subject']], ['ORD', 'ORD.{op}']);
  assert.deepEqual([users?.sink.config['stream'], users?.sink.config['subject']], ['USERS', 'USERS.{op}']);
  assert.equal(orders?.sink.config['messageIdPrefix'], '');
});

test('the environment fills what the file leaves open', async () => {
  const env = {
    MONGO_URI: `mongodb://u:${CANARY}@h/shop`,
    NATS_SERVER_URL: 'tls://token-1234@n1:4222,tls://n2:4222',
    MONGO_WATCH_COLLECTIONS: 'orders, crm.users',
    NATS_STREAM_NAME: 'ALL',
    HTTP_PORT: '8090',
    RAFT_CLUSTER_SIZE: '3',
    LOG_LEVEL: 'debug',
  };
  const result = await importNatsConnector('', { env });
  assert.doesNotMatch(`${result.yaml}${JSON.stringify(result.report)}`, /canary|token-1234/);
  assert.match(result.yaml ?? '', /uri: \$\{env:MONGO_URI\}/);
  const { http, log, pipelines } = load(result);
  assert.deepEqual([http.listen.port, log.level], [8090, 'debug']);
  assert.deepEqual(
    pipelines.map(({ source, sink }) => [source.config['include'], sink.config['stream'], sink.config['servers']]),
    [
      [['shop.orders'], 'ALL', ['n1:4222', 'n2:4222']],
      [['crm.users'], 'ALL', ['n1:4222', 'n2:4222']],
    ],
  );
  const several = result.report.find(({ option }) => option === 'RAFT_CLUSTER_SIZE');
  assert.equal(several?.outcome, 'mapped');
  assert.doesNotMatch(result.yaml ?? '', /lease/);
  const alone = await importNatsConnector(FILE, { env: { RAFT_CLUSTER_SIZE: '1' } });
  assert.match(alone.yaml ?? '', /lease: off/);
  assert.equal(load(alone).pipelines[0]?.lease, undefined);
  assert.deepEqual(
    result.report.filter(({ value }) => value !== '').map(({ option }) => option),
    [
      'MONGO_URI',
      'NATS_SERVER_URL',
      'NATS_STREAM_NAME',
      'MONGO_WATCH_COLLECTIONS',
      'HTTP_PORT',
      'RAFT_CLUSTER_SIZE',
      'LOG_LEVEL',
    ],
  );
});

test("other machines get an answer only with a token of one's own", async () => {
  const file = FILE.replace('127.0.0.1:8085', ':8085');
  const alone = await importNatsConnector(file, { env: {} });
  assert.deepEqual(load(alone).http, { listen: { host: '127.0.0.1', port: 8085 }, token: undefined });
  const remark = alone.report.at(-1);
  assert.deepEqual([remark?.outcome, remark?.to], ['changed', 'http.listen']);
  assert.match(remark?.reason ?? '', /SLUICE_TOKEN/);
  const open = await importNatsConnector(file, { env: { SLUICE_TOKEN: CANARY } });
  assert.match(open.yaml ?? '', /listen: 0\.0\.0\.0:8085\n {2}token: \$\{env:SLUICE_TOKEN\}/);
  assert.doesNotMatch(JSON.stringify(open.report), new RegExp(CANARY));
});

test('the environment decides over the file, and HTTP_PORT over the port', async () => {
  const env = { MONGO_URI: 'mongodb://h', NATS_URL: 'n9:4222', SERVER_ADDR: '127.0.0.1:9000', LOG_LEVEL: 'error' };
  const result = await importNatsConnector(FILE, { env });
  const { http, log, pipelines } = load(result);
  assert.deepEqual([http.listen, log.level], [{ host: '127.0.0.1', port: 9000 }, 'error']);
  assert.deepEqual(pipelines[0]?.sink.config['servers'], ['n9:4222']);
  assert.match(result.yaml ?? '', /uri: \$\{env:MONGO_URI\}/);
  const overruled = result.report.filter(({ reason }) => reason.endsWith('decides')).map(({ option }) => option);
  assert.deepEqual(overruled, [
    'connector.log.level',
    'connector.mongo.uri',
    'connector.nats.url',
    'connector.server.addr',
  ]);
  const second = await importNatsConnector(FILE, { env: { HTTP_PORT: '8086' } });
  assert.deepEqual(load(second).http.listen, { host: '127.0.0.1', port: 8086 });
});

test('tokens of two collections in one place cannot be told apart', async () => {
  const { report } = await importNatsConnector('', { env: { MONGO_WATCH_COLLECTIONS: 'a.users,b.users' } });
  assert.match(report.find(({ outcome }) => outcome === 'not-supported')?.reason ?? '', /shares the tokens/);
});

test('an option that nobody knows is reported', async () => {
  const { report } = await importNatsConnector(`${FILE}      made: up\n`, { env: {} });
  const entry = report.find(({ option }) => option.endsWith('.made'));
  assert.deepEqual([entry?.outcome, entry?.reason], ['not-supported', 'unknown']);
});

test('files that cannot be imported', async () => {
  const code = (expected: string) => (error: unknown) => error instanceof SluiceError && error.code === expected;
  await assert.rejects(importNatsConnector('', { env: {} }), code('import.incomplete'));
  await assert.rejects(importNatsConnector('a: [', { env: {} }), code('import.unreadable'));
  const nameless = 'connector: { collections: [{ dbName: shop }] }';
  await assert.rejects(importNatsConnector(nameless, { env: {} }), code('import.incomplete'));
});
