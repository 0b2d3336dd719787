import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kafka, load, mongodb, pipeline, problemsOf } from './config-fixture.ts';

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
  [
    'no connector',
    pipeline({ sink: '' }),
    /sink: names no connector; choose one of kafka, nats, webhook, mongodb, postgres, search, file, stdout/,
  ],
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
  ['partitions', pipeline({ more: 'partitions: 1' }), /partitions: several partitions per pipeline are not built yet/],
  [
    'an unknown policy for a lost position',
    pipeline({ more: 'onPositionLost: skipp' }),
    /onPositionLost: must be one of "fail", "resnapshot", "skip"; did you mean "skip"\?/,
  ],
  [
    'an unknown mode of snapshots',
    pipeline(mongodb('snapshot: inital')),
    /mongodb\.snapshot: must be one of .*; did you mean "initial"\?/,
  ],
  [
    'wrong options of snapshots',
    pipeline(mongodb('snapshot: { paralelism: 2, chunkBytes: 16MiB }')),
    /snapshot\.paralelism: unknown key; did you mean "parallelism"\?.*chunkBytes: 16MiB is out of range: from 64KiB to 8MiB/s,
  ],
  [
    'a start elsewhere with a snapshot',
    pipeline(mongodb('snapshot: initial, startAt: { clusterTime: "1,1" }')),
    /mongodb\.startAt: with snapshot: initial the changes begin where the copy is made.*; remove startAt/,
  ],
  [
    'a query that runs code',
    pipeline(mongodb('snapshot: { match: { shop.orders: { $or: [{ $where: "x" }] } } }')),
    /match\["shop\.orders"\]: \$where is not allowed/,
  ],
  [
    'a query with an order of its own',
    pipeline(mongodb('snapshot: { match: { shop.orders: { at: { $near: [1, 2] } } } }')),
    /\$near is not possible: documents are copied in the order of _id/,
  ],
  [
    'a query that is none',
    pipeline(mongodb('snapshot: { match: { shop.orders: open } }')),
    /match\["shop\.orders"\]: must be a mapping, not text/,
  ],
  [
    'a query for a pattern',
    pipeline(mongodb('snapshot: { match: { "shop.*": {} } }')),
    /match\["shop\.\*"\]: must be the name of one collection/,
  ],
  [
    'a query for a collection that is not read',
    pipeline(mongodb('include: ["shop.*"], snapshot: { match: { crm.people: {} } }')),
    /match\["crm\.people"\]: is not among the namespaces that this pipeline reads/,
  ],
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

/** From Kafka to Kafka, on the same brokers. */
function relay(topics: string, sink: string, more = ''): string {
  return pipeline({
    source: `kafka: { brokers: [a:9092, B], topics: [${topics}], ${more} }`,
    sink: `kafka: { brokers: ["b:9092"], ${sink} }`,
  });
}

const DOCUMENTS = 'format: { name: document, namespace: { db: shop, coll: items } }';

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

const LOOP = /sink\.kafka\.topic: .* is among the topics that this pipeline reads: a loop/;

for (const [title, text, expected] of [
  ['a topic that is read', relay('orders', 'topic: orders'), LOOP],
  ['a topic that a pattern matches', relay('"p.*"', 'topic: p.out'), LOOP],
  ['topics that a pattern matches whatever they are', relay('"p.*"', 'topic: "p.{db}.{coll}"'), LOOP],
  ['the topics of the only namespace', relay('shop.items', 'topic: "{db}.{coll}"', DOCUMENTS), LOOP],
  [
    'topics named after the topics',
    relay('shop.items', ''),
    /sink\.kafka: |sink\.kafka\.topic: writes to the very topics/,
  ],
  [
    'dead letters that a pattern matches',
    pipeline({
      source: 'kafka: { brokers: [b], topics: ["p.*"] }',
      more: 'deadLetter: { kafka: { topic: p.dead } }',
    }),
    /deadLetter\.kafka\.topic: p\.dead is among the topics that this pipeline reads: a loop/,
  ],
  [
    'dead letters that are named',
    pipeline({
      source: 'kafka: { brokers: [b], topics: [sluice.dead-letters] }',
      more: 'deadLetter: { kafka: {} }',
    }),
    /deadLetter\.kafka.*: sluice\.dead-letters is among the topics/,
  ],
] as const) {
  test(`a loop through Kafka is refused: ${title}`, () => {
    assert.match(problemsOf(text), expected);
  });
}

for (const [title, text] of [
  ['another topic', relay('orders', 'topic: out')],
  ['topics with another start', relay('"p.*"', 'topic: "q.{db}.{coll}"')],
  ['events that say where they belong', relay('"cdc.*"', '', 'format: change')],
  ['a namespace of its own', relay('orders', '', DOCUMENTS)],
  [
    'other brokers',
    pipeline({
      source: 'kafka: { brokers: [a], topics: [orders] }',
      sink: 'kafka: { brokers: [b], topic: orders }',
    }),
  ],
  [
    'the usual dead letters beside a pattern for everything',
    pipeline({ source: 'kafka: { brokers: [b], topics: ["*"] }', more: 'deadLetter: { kafka: {} }' }),
  ],
] as const) {
  test(`no loop through Kafka: ${title}`, () => {
    load(text);
  });
}
