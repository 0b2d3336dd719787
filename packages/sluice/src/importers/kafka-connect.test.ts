import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import type { PipelineConfig } from '../config/config.ts';
import { checkConfigText } from '../config/load.ts';
import { mongodbSourceConfig } from '../connectors/mongodb/config.ts';
import { registry } from '../connectors/registry.ts';
import { SluiceError } from '../core/failure.ts';
import { Secret } from '../settings/secret.ts';
import { assertGolden } from '../testing/golden.ts';
import { DEBEZIUM_NAMES, MONGO_SINK_NAMES, MONGO_SOURCE_NAMES } from './connector-options-fixture.ts';
import type { ImportResult, ImportTarget } from './import-result.ts';
import { importKafkaConnect, type KafkaConnectSurroundings } from './kafka-connect.ts';

const MONGO = 'com.mongodb.kafka.connect.MongoSourceConnector';
const DEBEZIUM = 'io.debezium.connector.mongodb.MongoDbConnector';
const CANARY = 'canary-4711';

const target: ImportTarget = {
  pipelineProblem: (stages) => mongodbSourceConfig.shape.pipeline.safeParse(stages).error?.issues[0]?.message,
};

type Options = Readonly<Record<string, string>>;

function importConnector(config: Options, more: Partial<KafkaConnectSurroundings> = {}): ImportResult {
  const text = JSON.stringify({ name: 'orders', config });
  return importKafkaConnect(text, { target, brokers: ['localhost:9092'], ...more });
}

const mongo = (config: Options = {}, more = {}) =>
  importConnector({ 'connector.class': MONGO, 'connection.uri': 'mongodb://h', ...config }, more);
const debezium = (config: Options = {}, more = {}) =>
  importConnector({ 'connector.class': DEBEZIUM, 'mongodb.connection.string': 'mongodb://h', ...config }, more);

/** The pipelines of the YAML, which must be valid. */
function load({ yaml, variables, secrets }: ImportResult) {
  const values = variables.map(({ name }) => [name, secrets[name]?.reveal() ?? 'mongodb://stand-in']);
  const env = Object.fromEntries(values) as Record<string, string>;
  const { config } = checkConfigText(yaml ?? '', { file: 'sluice.yaml', registry, env });
  return config.pipelines;
}

const first = (result: ImportResult) => load(result)[0] ?? assert.fail('no pipeline');
const outcomeOf = ({ report }: ImportResult, option: string) =>
  report.find((entry) => entry.option === option)?.outcome;

function uriOf(pipeline: PipelineConfig | undefined): string {
  const uri = pipeline?.source.config['uri'];
  assert.ok(uri instanceof Secret);
  return uri.reveal();
}

test('a MongoDB source connector becomes a pipeline', () => {
  const result = mongo({ database: 'test', collection: 'users', 'startup.mode': 'copy_existing' });
  assertGolden(resolve(import.meta.dirname, 'golden/mongo-source.yaml'), result.yaml ?? '');
  const { name, source, sink } = first(result);
  assert.equal(name, 'orders');
  assert.deepEqual(source.config['include'], ['test.users']);
  assert.equal((source.config['snapshot'] as { mode: string }).mode, 'initial');
  assert.deepEqual([sink.config['brokers'], sink.config['topic']], [['localhost:9092'], '{db}.{coll}']);
  assert.equal(sink.format.name, 'kafka-connect');
  assert.equal(outcomeOf(result, 'startup.mode'), 'mapped');
});

test('a Debezium connector becomes a pipeline', () => {
  const result = debezium({
    'topic.prefix': 'server1',
    'collection.include.list': String.raw`shop\.orders, shop\.(a|b), crm.*\.users`,
    'capture.mode': 'change_streams_update_full_with_pre_image',
    'capture.mode.full.update.type': 'post_image',
    'tombstones.on.delete': 'false',
    'skipped.operations': 'd',
  });
  assertGolden(resolve(import.meta.dirname, 'golden/debezium.yaml'), result.yaml ?? '');
  const { source, sink } = first(result);
  assert.deepEqual(source.config['include'], ['shop.orders', 'shop.{a,b}', 'crm*.users', 'crm*.*.users']);
  assert.deepEqual([source.config['fullDocument'], source.config['beforeImage']], ['whenAvailable', 'whenAvailable']);
  assert.equal(sink.config['topic'], 'server1.{db}.{coll}');
  assert.deepEqual(sink.format, { name: 'debezium', documents: 'legacy', tombstones: false, connector: 'server1' });
});

for (const [title, shape] of [
  ['flat JSON', JSON.stringify({ name: 'orders', 'connector.class': MONGO, 'connection.uri': 'mongodb://h' })],
  ['properties', `# comment\nname=orders\nconnector.class: ${MONGO}\nconnection.uri=mongodb\\://h\n`],
] as const) {
  test(`the file may be ${title}`, () => {
    const result = importKafkaConnect(shape, { target, brokers: ['h:1'] });
    assert.deepEqual(result.pipelines, ['orders']);
    assert.equal(outcomeOf(result, 'name'), 'mapped');
  });
}

test('every option that the connectors name is known, and stands in the report once', () => {
  let runs = 0;
  const cases = [
    [MONGO, MONGO_SOURCE_NAMES],
    [DEBEZIUM, DEBEZIUM_NAMES],
    ['com.mongodb.kafka.connect.MongoSinkConnector', MONGO_SINK_NAMES],
  ] as const;
  for (const [className, names] of cases.flatMap((pair) => [pair, pair])) {
    const value = runs++ % 2 === 0 ? '' : 'x';
    const config = { ...Object.fromEntries(names.map((name) => [name, value])), 'connector.class': className };
    const { report } = importConnector(config);
    const options = report.filter(({ option }) => option in config).map(({ option }) => option);
    assert.deepEqual(options.toSorted(), Object.keys(config).toSorted());
    assert.deepEqual(
      report.filter(({ reason }) => reason === 'unknown'),
      [],
    );
  }
});

test('an option that nobody knows is reported', () => {
  const entry = mongo({ 'made.up': 'x' }).report.find(({ option }) => option === 'made.up');
  assert.deepEqual([entry?.outcome, entry?.reason], ['not-supported', 'unknown']);
});

test('secrets are neither in the YAML nor in the report', () => {
  const worker = [
    'bootstrap.servers=k:9092',
    'security.protocol=SASL_SSL',
    'sasl.mechanism=PLAIN',
    `sasl.jaas.config=x required username="u" password="${CANARY}-k";`,
    `ssl.truststore.password=${CANARY}`,
  ].join('\n');
  const results = [
    mongo(
      { 'connection.uri': `mongodb://u:${CANARY}@h/?replicaSet=rs`, 'connection.ssl.keystorePassword': CANARY },
      { worker },
    ),
    mongo({ 'connection.uri': `mongodb://h/?tlsCertificateKeyFilePassword=${CANARY}` }),
    debezium({ 'mongodb.user': 'u', 'mongodb.password': `${CANARY}@/` }, { worker, brokers: [] }),
    debezium({ 'mongodb.connection.string': `mongodb://u:${CANARY}@h`, 'made.up.secret': CANARY }),
  ];
  for (const { yaml, report, secrets, variables } of results) {
    assert.doesNotMatch(`${yaml}${JSON.stringify({ report, secrets, variables })}`, new RegExp(CANARY));
  }
  const [withWorker, whole, encoded] = results.map(first);
  assert.ok(uriOf(withWorker).includes(CANARY));
  assert.deepEqual([withWorker?.sink.config['brokers']], [['localhost:9092']]);
  assert.match(uriOf(whole), new RegExp(CANARY));
  assert.match(uriOf(encoded), new RegExp(`//u:${CANARY}%40%2F@h`));
});

test('a reference of the input to its environment stays one', () => {
  const result = mongo({ 'connection.uri': '${env:MY_URI}' });
  assert.match(result.yaml ?? '', /uri: \$\{env:MY_URI\}/);
  const file = mongo({ 'connection.uri': '${file:/secrets:uri}' });
  assert.match(file.yaml ?? '', /uri: \$\{env:MONGO_URI\}/);
  assert.deepEqual(Object.keys(file.secrets), []);
});

test('topics: prefix, suffix, separator and a map', () => {
  const parts = { 'topic.prefix': 'p', 'topic.suffix': 's', 'topic.separator': '-' };
  assert.equal(first(mongo(parts)).sink.config['topic'], 'p-{db}-{coll}-s');
  const map = { 'topic.namespace.map': '{"shop": "store", "shop.orders": "o", "*": "rest"}' };
  const pipelines = load(mongo({ ...map, 'topic.prefix': 'p' }));
  assert.deepEqual(
    pipelines.map(({ name, source, sink }) => [
      name,
      source.config['include'],
      source.config['exclude'],
      sink.config['topic'],
    ]),
    [
      ['orders', ['shop.orders'], [], 'p.o'],
      ['orders-2', ['shop.*'], ['shop.orders'], 'p.store.{coll}'],
      ['orders-3', ['*.*'], ['shop.orders', 'shop.*'], 'p.rest'],
    ],
  );
  const own = load(mongo({ ...map, database: 'shop', collection: 'orders' }));
  assert.deepEqual(
    own.map(({ sink }) => sink.config['topic']),
    ['o'],
  );
});

test('what the connector does to values is kept or refused', () => {
  const document = mongo({ 'publish.full.document.only': 'true', 'output.json.formatter': 'x.SimplifiedJson' });
  const { source, sink } = first(document);
  assert.equal(source.config['fullDocument'], 'updateLookup');
  assert.deepEqual([sink.format.name, 'json' in sink.format && sink.format.json], ['kafka-connect', 'simplified']);
  const avro = mongo({ 'value.converter': 'io.confluent.connect.avro.AvroConverter', 'output.format.value': 'schema' });
  assert.equal(outcomeOf(avro, 'value.converter'), 'not-supported');
  assert.equal(outcomeOf(avro, 'output.format.value'), 'not-supported');
  const schemas = debezium({ 'value.converter': 'org.apache.kafka.connect.json.JsonConverter' });
  assert.equal(outcomeOf(schemas, 'value.converter'), 'not-supported');
  const token = mongo({ 'change.stream.document.key.as.key': 'false' });
  assert.match(JSON.stringify(token.report), /order per document is lost/);
});

test('a pipeline that cannot run here is reported and left out', () => {
  const result = mongo({ pipeline: '[{"$project": {"fullDocument": 1}}]' });
  assert.equal(outcomeOf(result, 'pipeline'), 'not-supported');
  assert.deepEqual(first(result).source.config['pipeline'], []);
});

test('starting points', () => {
  const needed = first(debezium({ 'snapshot.mode': 'when_needed' }));
  assert.equal(needed.onPositionLost, 'resnapshot');
  assert.equal((needed.source.config['snapshot'] as { mode: string }).mode, 'initial');
  const time = 'startup.mode.timestamp.start.at.operation.time';
  for (const [value, clusterTime] of [
    ['1700000000', '1700000000,0'],
    ['2026-01-31T12:00:00Z', '2026-01-31T12:00:00Z'],
    ['{"$timestamp": {"t": 30, "i": 2}}', '30,2'],
  ] as const) {
    const { source } = first(mongo({ 'startup.mode': 'timestamp', [time]: value }));
    assert.deepEqual(source.config['startAt'], { clusterTime });
  }
});

const SINK = 'com.mongodb.kafka.connect.MongoSinkConnector';

test('a MongoDB sink connector becomes a worker that goes on behind it', () => {
  const config = {
    'connector.class': SINK,
    'connection.uri': `mongodb://app:${CANARY}@target:27017`,
    topics: 'shop.orders, shop.users',
    database: 'copy',
    'change.data.capture.handler': 'com.mongodb.kafka.connect.sink.cdc.debezium.mongodb.MongoDbHandler',
    'max.batch.size': '500',
    'errors.tolerance': 'all',
    'errors.deadletterqueue.topic.name': 'dead',
    'consumer.override.security.protocol': 'SSL',
  };
  const result = importConnector(config);
  const { source, sink, deadLetter } = first(result);
  assert.equal(source.name, 'kafka');
  const { brokers, topics, group } = source.config;
  assert.deepEqual([brokers, topics, group], [['localhost:9092'], ['shop.orders', 'shop.users'], 'connect-orders']);
  assert.equal(source.format?.name, 'debezium');
  assert.deepEqual([sink.name, sink.config['database'], sink.config['batchRecords']], ['mongodb', 'copy', 500]);
  assert.deepEqual([deadLetter?.name, deadLetter?.config['topic']], ['kafka', 'dead']);
  assert.equal(result.report.filter(({ outcome }) => outcome === 'not-supported').length, 0);
  assert.ok(!`${result.yaml}${JSON.stringify(result.report)}`.includes(CANARY));
});

test('renamed and left-out fields of a MongoDB sink connector are transforms', () => {
  const chain = ['DocumentIdAdder', 'BlockListValueProjector', 'field.renaming.RenameByMapping'];
  const config = {
    'connector.class': SINK,
    'topics.regex': 'shop[.].*',
    'post.processor.chain': chain.map((name) => `com.mongodb.kafka.connect.sink.processor.${name}`).join(','),
    'value.projection.type': 'blocklist',
    'value.projection.list': 'age,address.street',
    'field.renamer.mapping': '[{"oldName": "value.address.zip", "newName": "postcode"}]',
    'writemodel.strategy': 'com.mongodb.kafka.connect.sink.writemodel.strategy.UpdateOneTimestampsStrategy',
  };
  const result = importConnector(config);
  assert.deepEqual(first(result).source.config['topics'], ['/^(?:shop[.].*)$/']);
  assert.match(result.yaml ?? '', /\$unset:\n +- after.age\n +- after.address.street/);
  assert.match(result.yaml ?? '', /after.address.zip: after.address.postcode/);
  assert.deepEqual(outcomeOf(result, 'writemodel.strategy'), 'not-supported');
});

test('files that cannot be imported', () => {
  const code = (expected: string) => (error: unknown) => error instanceof SluiceError && error.code === expected;
  const read = (text: string) => () => importKafkaConnect(text, { target });
  assert.throws(read('{"a": '), code('import.unreadable'));
  assert.throws(read('{"connector.class": "org.example.Other"}'), code('import.unknown-connector'));
  assert.throws(read(JSON.stringify({ 'connector.class': MONGO })), code('import.no-brokers'));
});
