import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { registry } from '../connectors/registry.ts';
import { Secret } from '../settings/secret.ts';
import { ENV, kafka, load, mongodb, pipeline, problemsOf } from './config-fixture.ts';
import { loadConfig } from './load.ts';
import { printConfig } from './print.ts';

test('the sample of the design is accepted', () => {
  const { config } = load(`version: 1
http: { listen: 127.0.0.1:8380 }
pipelines:
  orders:
    source:
      mongodb:
        uri: \${env:MONGO_URI}
        include: ["shop.orders", "shop.user*"]
        snapshot: initial
        fullDocument: whenAvailable
        beforeImage: whenAvailable
    sink:
      kafka:
        brokers: [localhost:9092]
        topic: "{db}.{coll}"
        format: debezium
        delivery: exactly-once
    deadLetter: { kafka: { topic: "sluice.dead-letters" } }
    onPositionLost: fail
`);
  const [orders] = config.pipelines;
  assert.equal(orders?.name, 'orders');
  assert.equal((orders.source.config as { snapshot?: { mode?: string } }).snapshot?.mode, 'initial');
  assert.equal(orders.onPositionLost, 'fail');
  assert.deepEqual(orders?.sink.format, { name: 'debezium', documents: 'legacy', tombstones: true });
  assert.equal(orders?.checkpoint.store, undefined, 'the sink keeps the checkpoint');
  assert.deepEqual(orders?.deadLetter?.config['brokers'], ['localhost:9092'], 'taken from the sink');
  assert.deepEqual(orders?.backoff, { minMs: 250, maxMs: 30_000 });
});

test('a lost position has three answers, and a start elsewhere goes with changes alone', () => {
  for (const policy of ['fail', 'resnapshot', 'skip']) {
    const [orders] = load(pipeline({ more: `onPositionLost: ${policy}` })).config.pipelines;
    assert.equal(orders?.onPositionLost, policy);
  }
  load(pipeline(mongodb('startAt: { clusterTime: "1,1" }, snapshot: never')));
  load(pipeline(mongodb('startAt: { clusterTime: "1,1" }, snapshot: { parallelism: 2 }')));
});

test('the settings of a snapshot are printed as they are written', () => {
  const { effective } = load(
    pipeline(mongodb('snapshot: { mode: only, maxBytesPerSecond: 1MiB, match: { a.b: { n: 1 } } }')),
  );
  const printed = printConfig(effective, registry);
  assert.match(printed, /snapshot:\n +mode: only\n +parallelism: 4\n +chunkBytes: 1MiB\n/);
  assert.match(printed, /maxStreamLag: 10s\n(.*\n)*? +match:\n +a\.b:\n +n: 1\n/);
  assert.match(printed, /maxBytesPerSecond: 1MiB/);
});

test('checkpoints are kept beside the source when nothing else is said', () => {
  const [orders] = load(pipeline()).config.pipelines;
  assert.equal(orders?.checkpoint.store?.name, 'mongodb');
  const { uri, collection } = orders?.checkpoint.store?.config ?? {};
  assert.ok(uri instanceof Secret);
  assert.equal(uri.reveal(), ENV.MONGO_URI);
  assert.equal(collection, 'checkpoints');
});

test('one transactional id for two pipelines is refused', () => {
  const sink = (prefix: string) =>
    `{ kafka: { brokers: [b], delivery: exactly-once, transactionalIdPrefix: ${prefix} } }`;
  const one = (name: string, prefix: string) =>
    `  ${name}: { source: { mongodb: { uri: "mongodb://h" } }, sink: ${sink(prefix)} }\n`;
  const problems = problemsOf(`version: 1\npipelines:\n${one('b-c', 'a')}${one('c', 'a-b')}`);
  assert.match(
    problems,
    /pipelines\.c\.sink\.kafka\.transactionalIdPrefix: gives the same transactional id \(a-b-c\) as pipeline b-c/,
  );
});

test('all problems are told at once, in the order of the file', () => {
  const problems = problemsOf(`version: 1
htp: {}
pipelines:
  a:
    source: { mongodb: { uri: "\${env:NOPE}", batchSize: 0 } }
    sink: {}
    stallAfter: 5
`).split('\n');
  assert.deepEqual(
    problems.map((line) => /^\d+/.exec(line)?.[0]),
    ['2', '5', '5', '6', '7'],
    problems.join('\n'),
  );
});

test('a problem never shows what a reference gave', () => {
  const problems = problemsOf(pipeline({ more: 'stallAfter: "${env:KAFKA_PASSWORD}"' }));
  assert.match(problems, /stallAfter: "\*\*\*" is not a duration/);
});

test('references become the type that the schema wants', () => {
  const settings = 'batchRecords: "${env:NUMBER}", clientId: "c${env:NUMBER}-${env:NOPE:-d}"';
  const [orders] = load(pipeline(kafka(settings))).config.pipelines;
  assert.equal(orders?.sink.config['batchRecords'], 7);
  assert.equal(orders?.sink.config['clientId'], 'c7-d');
});

test('what a reference gives is data: it cannot add keys or other references', () => {
  const env = { ...ENV, KAFKA_PASSWORD: 'x", topic: "evil ${env:NUMBER}' };
  const [orders] = load(
    pipeline(kafka('sasl: { mechanism: plain, username: u, password: "${env:KAFKA_PASSWORD}" }')),
    env,
  ).config.pipelines;
  const sasl = orders?.sink.config['sasl'] as { readonly password: Secret };
  assert.equal(sasl.password.reveal(), env.KAFKA_PASSWORD);
  assert.equal(orders?.sink.config['topic'], '{db}.{coll}');
});

test('an anchor may be shared', () => {
  const { config } = load(`version: 1
pipelines:
  a: { source: &source { mongodb: { uri: "mongodb://h" } }, sink: { stdout: {} } }
  b: { source: *source, sink: { stdout: {} } }
`);
  assert.deepEqual(
    config.pipelines.map(({ name }) => name),
    ['a', 'b'],
  );
});

test('paths and file references start at the directory of the file', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-config-'));
  t.after(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'uri'), 'mongodb://u:canary-3@h\n');
  const file = join(directory, 'sluice.yaml');
  writeFileSync(file, pipeline({ source: 'mongodb: { uri: "${file:uri}" }', sink: 'file: { path: out/x }' }));
  const { config, secrets } = loadConfig({ file, registry, env: {} });
  assert.equal(config.pipelines[0]?.sink.config['path'], join(directory, 'out/x'));
  assert.deepEqual(secrets, ['canary-3']);
});

test('a file that is not there or not UTF-8 is an error of the configuration', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-config-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const options = { file: join(directory, 'nope.yaml'), registry, env: {} };
  assert.throws(() => loadConfig(options), /there is no such file; name another with --config/);
  assert.throws(() => loadConfig({ ...options, file: directory }), /cannot be read \(EISDIR\)/);
  writeFileSync(options.file, Buffer.from([0x76, 0xff, 0xfe]));
  assert.throws(() => loadConfig(options), /not UTF-8/);
});

test('no secret in the configuration, printed or inspected', () => {
  const loaded = load(pipeline(kafka('sasl: { mechanism: plain, username: u, password: "${env:KAFKA_PASSWORD}" }')));
  const { secrets, ...rest } = loaded;
  const texts = [
    printConfig(loaded.effective, registry),
    inspect(rest, { depth: 20, showHidden: true }),
    JSON.stringify(rest),
  ];
  for (const text of texts) assert.doesNotMatch(text, /canary/);
  assert.deepEqual(secrets, ['canary-1', 'canary-2']);
});

test('the printed configuration is the same configuration', () => {
  const text = pipeline({
    source: 'mongodb: { uri: "mongodb://h", maxAwaitTime: 1500ms }',
    more: 'inFlightBytes: 100MiB',
  });
  const loaded = load(text);
  const printed = printConfig(loaded.effective, registry);
  assert.match(printed, /maxAwaitTime: 1500ms/);
  assert.match(printed, /inFlightBytes: 100MiB/);
  assert.equal(printConfig(load(printed).effective, registry), printed);
});
