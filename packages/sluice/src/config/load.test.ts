import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { registry } from '../connectors/registry.ts';
import { Secret } from '../settings/secret.ts';
import { checkConfigText, type LoadedConfig, loadConfig } from './load.ts';
import { printConfig } from './print.ts';
import { ConfigError } from './problem.ts';

const ENV = {
  MONGO_URI: 'mongodb://sluice:canary-1@h1,h2/?replicaSet=rs0',
  KAFKA_PASSWORD: 'canary-2',
  NUMBER: '7',
  EMPTY: '',
};

function load(text: string, env: Record<string, string> = ENV): LoadedConfig {
  return checkConfigText(text, { file: '/etc/sluice/sluice.yaml', registry, env });
}

function problemsOf(text: string, env?: Record<string, string>): string {
  try {
    load(text, env);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message.replaceAll('/etc/sluice/sluice.yaml:', '');
  }
  throw new assert.AssertionError({ message: `accepted: ${text}` });
}

/** A file with one pipeline; the parts replace those of a good one. */
function pipeline(parts: { source?: string; sink?: string; more?: string; top?: string } = {}): string {
  const source = parts.source ?? 'mongodb: { uri: "${env:MONGO_URI}" }';
  const sink = parts.sink ?? 'stdout: {}';
  return `version: 1
${parts.top ?? ''}
pipelines:
  orders:
    source: { ${source} }
    sink: { ${sink} }
    ${parts.more ?? ''}
`;
}

const kafka = (more: string) => ({ sink: `kafka: { brokers: [b:9092], ${more} }` });
const mongodb = (more: string) => ({ source: `mongodb: { uri: "\${env:MONGO_URI}", ${more} }` });

test('the sample of the design is accepted', () => {
  const { config } = load(`version: 1
http: { listen: 127.0.0.1:8380 }
pipelines:
  orders:
    source:
      mongodb:
        uri: \${env:MONGO_URI}
        include: ["shop.orders", "shop.user*"]
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
  assert.deepEqual(orders?.sink.format, { name: 'debezium', documents: 'legacy', tombstones: true });
  assert.equal(orders?.checkpoint.store, undefined, 'the sink keeps the checkpoint');
  assert.deepEqual(orders?.deadLetter?.config['brokers'], ['localhost:9092'], 'taken from the sink');
  assert.deepEqual(orders?.backoff, { minMs: 250, maxMs: 30_000 });
});

test('checkpoints are kept beside the source when nothing else is said', () => {
  const [orders] = load(pipeline()).config.pipelines;
  assert.equal(orders?.checkpoint.store?.name, 'mongodb');
  const { uri, collection } = orders?.checkpoint.store?.config ?? {};
  assert.ok(uri instanceof Secret);
  assert.equal(uri.reveal(), ENV.MONGO_URI);
  assert.equal(collection, 'checkpoints');
});

const REFUSED: readonly (readonly [title: string, text: string, expected: RegExp])[] = [
  [
    'an unknown key',
    pipeline(kafka('brokerz: []')),
    /6:41: pipelines\.orders\.sink\.kafka\.brokerz: unknown key; did you mean "brokers"\?/,
  ],
  [
    'an unknown key that is near nothing',
    pipeline({ top: 'zzz: 1' }),
    /2:1: zzz: unknown key; known here: version, http, log, pipelines/,
  ],
  ['an unknown connector', pipeline({ sink: 'kafak: {}' }), /sink\.kafak: unknown key; did you mean "kafka"\?/],
  ['no connector', pipeline({ sink: '' }), /sink: names no connector; choose one of kafka, file, stdout/],
  [
    'two connectors',
    pipeline({ sink: 'stdout: {}, file: { path: x }' }),
    /sink\.file: names 2 connectors \(stdout, file\)/,
  ],
  [
    'a missing section',
    'version: 1\npipelines:\n  a:\n',
    /3:3: pipelines\.a\.source: is missing: Where changes are read/,
  ],
  ['no pipelines', 'version: 1\n', /pipelines: is missing/],
  ['an empty list of pipelines', 'version: 1\npipelines: {}\n', /pipelines: there is no pipeline/],
  ['an empty file', '', /1:1: the file is empty/],
  ['a file of blanks', '  \n\n', /the file is empty/],
  ['a list', '- a\n', /must be a mapping/],
  ['another version', pipeline().replace('version: 1', 'version: 2'), /1:10: version: must be 1/],
  ['a number without unit', pipeline({ more: 'stallAfter: 5' }), /stallAfter: 5 has no unit: write "5s" or "5ms"/],
  ['a number in quotes for a number', pipeline(kafka('batchRecords: "5"')), /batchRecords: must be a whole number/],
  ['"true" for true', pipeline(mongodb('ddl: "true"')), /ddl: must be true or false, not text/],
  ['zero', pipeline(kafka('batchRecords: 0')), /batchRecords: must be a whole number from 1 to 100000/],
  ['a negative number', pipeline(mongodb('batchSize: -1')), /batchSize: must be a whole number/],
  ['infinity', pipeline(mongodb('batchSize: 1e309')), /batchSize: must be a whole number/],
  ['not a number', pipeline(mongodb('batchSize: .nan')), /batchSize: must be a whole number/],
  ['a size out of range', pipeline({ more: 'inFlightBytes: 1B' }), /inFlightBytes: 1B is out of range: from 64KiB/],
  [
    'min above max',
    pipeline({ more: 'backoff: { min: 1m, max: 1s }' }),
    /backoff\.min: min must not be longer than max/,
  ],
  [
    'a wrong choice',
    pipeline(kafka('delivery: exactly-onec')),
    /delivery: must be one of .*; did you mean "exactly-once"\?/,
  ],
  [
    'a wrong format',
    pipeline({ sink: 'stdout: { format: debezum }' }),
    /format: must be one of .*; did you mean "debezium"\?/,
  ],
  [
    'a wrong option of a format',
    pipeline({ sink: 'stdout: { format: { name: change, jsn: plain } }' }),
    /format\.jsn: unknown key; did you mean "json"\?/,
  ],
  ['a list that should be one', pipeline({ sink: 'kafka: { brokers: b }' }), /brokers: must be a list, not text/],
  ['an empty list', pipeline({ sink: 'kafka: { brokers: [] }' }), /brokers: must name at least one broker/],
  ['an empty value', pipeline({ sink: 'kafka: { brokers: [""] }' }), /brokers\[0\]: /],
  [
    'a bad pipeline name',
    pipeline().replace('orders:', '"or ders":'),
    /4:3: pipelines\["or ders"\]: this name is not allowed/,
  ],
  ['one name twice', pipeline().replace('    source', '    sink: {}\n    source'), /7:5: .*this key is written twice/s],
  ['a dangerous key', pipeline({ more: '__proto__: {}' }), /the key "__proto__" is not allowed/],
  ['an unknown tag', pipeline({ more: 'stallAfter: !env X' }), /unknown YAML tag/],
  ['two documents', `${pipeline()}---\nversion: 1\n`, /several YAML documents/],
  ['broken YAML', 'version: 1\npipelines: { a: [', /2:\d+: /],
  ['a bomb of aliases', bomb(), /too many or too deeply nested values/],
  ['an alias of itself', 'a: &a { b: *a }', /too many or too deeply nested values/],
  ['a missing anchor', 'a: *b', /alias|anchor/i],
  ['transforms', pipeline({ more: 'transforms: []' }), /transforms: transforms are not built yet; remove this key/],
  ['partitions', pipeline({ more: 'partitions: 1' }), /partitions: several partitions per pipeline are not built yet/],
  ['snapshot', pipeline(mongodb('snapshot: initial')), /mongodb\.snapshot: snapshots are not built yet/],
  ['another policy for a lost position', pipeline({ more: 'onPositionLost: skip' }), /onPositionLost: must be "fail"/],
  [
    'a missing variable',
    pipeline({ source: 'mongodb: { uri: "${env:NOPE}" }' }),
    /5:31: .*uri: the environment variable NOPE is not set; set NOPE/,
  ],
  [
    'an empty variable',
    pipeline({ source: 'mongodb: { uri: "${env:EMPTY}" }' }),
    /the environment variable EMPTY is empty/,
  ],
  [
    'a missing file',
    pipeline({ source: 'mongodb: { uri: "${file:nope}" }' }),
    /the file nope cannot be read \(ENOENT\)/,
  ],
  [
    'another kind of reference',
    pipeline({ source: 'mongodb: { uri: "${MONGO_URI}" }' }),
    /is not a reference that is known; write \$\{env:MONGO_URI\}/,
  ],
  [
    'a reference without quotes in braces',
    pipeline({ source: 'mongodb: { uri: ${env:MONGO_URI} }' }),
    /5:\d+: .*; inside \{ \} and \[ \] a reference must be in quotes/,
  ],
  ['an open reference', pipeline({ source: 'mongodb: { uri: "${env:MONGO_URI" }' }), /has no closing brace/],
  [
    'a literal password',
    pipeline(kafka('sasl: { mechanism: plain, username: u, password: hunter2 }')),
    /password: a secret must not be written into the file; write \$\{env:PASSWORD\}/,
  ],
  [
    'a secret with a default',
    pipeline(kafka('sasl: { mechanism: plain, username: u, password: "${env:X:-hunter2}" }')),
    /a secret must not have a default/,
  ],
  [
    'a password in a URI',
    pipeline({ source: 'mongodb: { uri: "mongodb://u:hunter2@h" }' }),
    /uri: a password must not be written into the file; write \$\{env:PASSWORD\} in its place/,
  ],
  [
    'a password in the default of a URI',
    pipeline({ source: 'mongodb: { uri: "${env:X:-mongodb://u:hunter2@h}" }' }),
    /a password must not be written/,
  ],
  [
    'a password in the parameters of a URI',
    pipeline({ source: 'mongodb: { uri: "mongodb://h/?tlsCertificateKeyFilePassword=hunter2" }' }),
    /a password must not be written/,
  ],
  [
    'another scheme',
    pipeline({ source: 'mongodb: { uri: "http://h" }' }),
    /uri: must start with mongodb:\/\/ or mongodb\+srv:\/\//,
  ],
  [
    'an open endpoint without token',
    pipeline({ top: 'http: { listen: "0.0.0.0:80" }' }),
    /http\.listen: other machines can reach 0\.0\.0\.0/,
  ],
  [
    'an open endpoint in disguise',
    pipeline({ top: 'http: { listen: "0x7f.1:80" }' }),
    /http\.listen: other machines can reach 0x7f\.1/,
  ],
  [
    'an address without port',
    pipeline({ top: 'http: { listen: "127.0.0.1" }' }),
    /http\.listen: must be an address and a port/,
  ],
  [
    'a short token',
    pipeline({ top: 'http: { token: "${env:NUMBER}" }' }),
    /http\.token: must have at least 16 characters/,
  ],
  [
    'a namespace without collection',
    pipeline(mongodb('include: [shop]')),
    /include\[0\]: "shop" names no collection; write "shop\.\*"/,
  ],
  [
    'a pipeline that drops the token',
    pipeline(mongodb('pipeline: [{ $project: { _id: 0 } }]')),
    /pipeline\[0\]: .*_id/,
  ],
  ['a stage that writes', pipeline(mongodb('pipeline: [{ $out: x }]')), /pipeline\[0\]: .*\$out/],
  [
    'its own checkpoints in the source',
    pipeline(mongodb('include: ["sluice.*"]')),
    /checkpoint\.mongodb: sluice\.checkpoints is among the namespaces .*: a loop/,
  ],
  [
    'its own dead letters in the source',
    pipeline({ ...mongodb('include: ["shop.*"]'), more: 'deadLetter: { mongodb: { database: shop } }' }),
    /deadLetter\.mongodb: shop\.dead-letters is among the namespaces/,
  ],
  [
    'dead letters without brokers',
    pipeline({ more: 'deadLetter: { kafka: {} }' }),
    /deadLetter\.kafka\.brokers: is missing/,
  ],
  [
    'dead letters among the data',
    pipeline({ ...kafka('topic: t'), more: 'deadLetter: { kafka: { topic: t } }' }),
    /deadLetter\.kafka\.topic: t is already the topic of the data/,
  ],
  [
    'checkpoints among the data',
    pipeline(kafka('topic: t, checkpointTopic: t, delivery: exactly-once')),
    /checkpointTopic: t is the topic of the data/,
  ],
  [
    'two checkpoints',
    pipeline({ ...kafka('delivery: exactly-once'), more: 'checkpoint: { file: { path: x } }' }),
    /checkpoint\.file: with delivery: exactly-once the sink keeps the checkpoint/,
  ],
  [
    'a source that always counts as stalled',
    pipeline({ ...mongodb('maxAwaitTime: 20s'), more: 'stallAfter: 30s' }),
    /stallAfter: must be at least twice the maxAwaitTime/,
  ],
  [
    'one file for two purposes',
    pipeline({ sink: 'file: { path: ./x }', more: 'deadLetter: { file: { path: x } }' }),
    /deadLetter\.file\.path: the same path as pipelines\.orders\.sink\.file\.path/,
  ],
];

function bomb(): string {
  const lines = ['l0: &l0 [x,x,x,x,x,x,x,x,x,x]'];
  for (let level = 1; level < 8; level++) {
    lines.push(`l${level}: &l${level} [${Array.from({ length: 10 }, () => `*l${level - 1}`).join()}]`);
  }
  return lines.join('\n');
}

for (const [title, text, expected] of REFUSED) {
  test(`refused: ${title}`, () => {
    const problems = problemsOf(text);
    assert.match(problems, expected);
    assert.doesNotMatch(problems, /hunter2|canary/);
  });
}

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
