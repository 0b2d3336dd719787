import type { KafkaCluster } from './kafka-cluster.ts';
import { converterOf } from './kafka-cluster.ts';
import type { Known, Ledger } from './ledger.ts';
import { errorsOf } from './mongo-source.ts';
import type { Vault } from './vault.ts';

/** What a pipeline in place of the MongoDB sink connector is made from. */
export interface MongoSinkInput {
  readonly name: string | undefined;
  readonly connector: Ledger;
  readonly worker: Ledger | undefined;
  readonly vault: Vault;
  readonly cluster: KafkaCluster;
}

const PACKAGE = 'com.mongodb.kafka.connect.sink.';
const OWN_CLASS: Known = ['not-supported', 'a Java class'];
const OTHER_KEYS: Known = ['not-supported', 'a document is always found by its _id'];
const NAMESPACES: Known = [
  'not-supported',
  'a document goes where its event says, or its topic; see `rename` and the templates of sink.mongodb',
];
const TIME_SERIES: Known = ['not-supported', 'time-series collections are not written'];
const PACE: Known = ['not-supported', 'nothing limits the rate; a slow target slows the reading down'];
const STORES: Known = ['not-supported', 'Java key stores cannot be read: export PEM files and set sink.mongodb.tls'];
const STABLE_API: Known = ['not-needed', 'there is no setting for the Stable API'];

/** Options that need no look at others. */
const KNOWN: Readonly<Record<string, Known>> = {
  provider: ['not-needed', 'a name for the statistics of the service'],
  'bulk.write.ordered': ['not-needed', 'each document keeps its order, different ones are written at the same time'],
  'delete.writemodel.strategy': ['changed', 'a delete finds its document by the _id'],
  'connection.ssl.truststore': STORES,
  'connection.ssl.truststorePassword': STORES,
  'connection.ssl.keystore': STORES,
  'connection.ssl.keystorePassword': STORES,
  'server.api.version': STABLE_API,
  'server.api.strict': STABLE_API,
  'server.api.deprecation.errors': STABLE_API,
  'rate.limiting.timeout': PACE,
  'rate.limiting.every.n': PACE,
  'errors.log.enable': ['not-needed', 'failures are always logged'],
  'mongo.errors.log.enable': ['not-needed', 'failures are always logged'],
  'field.renamer.regexp': ['not-supported', 'only names, no expressions: see `rename`'],
  'tasks.max': ['not-needed', 'start as many processes as you want workers: they share the partitions'],
  'topics.dir': OWN_CLASS,
};

/** The same by their beginning. */
export const READING_PREFIXES: Readonly<Record<string, Known>> = {
  'topic.override.': ['not-supported', 'one pipeline for each topic can have settings of its own'],
  'document.id.strategy.': OTHER_KEYS,
  'namespace.mapper.': NAMESPACES,
  'key.projection.': ['not-supported', 'the key stays as it is'],
  'timeseries.': TIME_SERIES,
  'consumer.override.': ['not-needed', 'the source tunes itself'],
  'producer.override.': ['not-needed', 'nothing is written to Kafka'],
};

/** `com.mongodb.kafka.connect.MongoSinkConnector`: one pipeline from Kafka into MongoDB. */
export function mongoSinkPipeline(input: MongoSinkInput): Readonly<Record<string, unknown>> {
  const { name, connector, vault, cluster } = input;
  connector.note('connector.class', 'mapped', 'the MongoDB sink connector');
  const uri = connector.text('connection.uri') ?? 'mongodb://localhost:27017';
  connector.mapped('connection.uri', 'sink.mongodb.uri');
  const { brokers, tls, sasl } = cluster;
  const group = `connect-${name ?? 'connector'}`;
  const source = { kafka: { brokers, tls, sasl, topics: topicsOf(connector), group, format: formatOf(input) } };
  const sink = { mongodb: { uri: vault.uri(uri), ...namespaceOf(connector), batchRecords: batchOf(connector) } };
  const transforms = [...renamesOf(connector), ...projectionOf(connector)];
  identity(connector);
  const deadLetter = errorsOf(connector);
  connector.noteKnown(KNOWN, READING_PREFIXES);
  return { source, transforms: transforms.length === 0 ? undefined : transforms, sink, deadLetter };
}

function topicsOf(connector: Ledger): readonly string[] {
  const topics = connector.text('topics');
  const pattern = connector.text('topics.regex');
  connector.mapped('topics', 'source.kafka.topics');
  connector.mapped('topics.regex', 'source.kafka.topics');
  const names = (topics ?? '').split(',').map((topic) => topic.trim());
  const found = names.filter((topic) => topic !== '');
  // The connector wants the whole name to match.
  if (found.length === 0 && pattern !== undefined) return [`/^(?:${pattern})$/`];
  return found.length === 0 ? ['*'] : found;
}

/** Records are recognised one by one, unless a handler says what they are. */
function formatOf({ connector, worker }: MongoSinkInput): string | undefined {
  for (const kind of ['key', 'value'] as const) {
    const converter = converterOf(kind, connector, worker);
    const readable = ['StringConverter', 'JsonConverter', 'ByteArrayConverter', undefined].includes(converter.name);
    if (readable) converter.note('mapped', 'JSON and BSON are recognised', 'source.kafka.format');
    else converter.note('not-supported', `what ${converter.name} wrote cannot be read: JSON and BSON can`);
  }
  const option = 'change.data.capture.handler';
  const handler = connector.text(option)?.split('.').at(-1);
  const format = { ChangeStreamHandler: 'kafka-connect', MongoDbHandler: 'debezium' }[handler ?? ''];
  if (handler === undefined) connector.note(option, 'mapped', 'empty: documents', 'source.kafka.format');
  else if (format === undefined) connector.note(option, 'not-supported', 'only changes of MongoDB can be read');
  else connector.mapped(option, 'source.kafka.format');
  connector.mapped('delete.on.null.values', 'source.kafka.format', 'a record without a value deletes its document');
  return format;
}

function namespaceOf(connector: Ledger): Readonly<Record<string, unknown>> {
  const mapper = connector.text('namespace.mapper');
  if (mapper === undefined || mapper.endsWith('.DefaultNamespaceMapper'))
    connector.mapped('namespace.mapper', 'sink.mongodb');
  else connector.note('namespace.mapper', ...NAMESPACES);
  connector.mapped('database', 'sink.mongodb.database');
  const collection = connector.text('collection');
  if (collection === undefined) {
    const reason = 'as in the event; of a document alone, what its topic has behind the first dot, not the whole topic';
    const to = 'sink.mongodb.collection';
    if (connector.has('collection')) connector.note('collection', 'changed', reason, to);
    else connector.remark('collection', 'changed', reason, to);
  }
  connector.mapped('collection', 'sink.mongodb.collection');
  return { database: connector.text('database'), collection };
}

function batchOf(connector: Ledger): number | undefined {
  const size = Number(connector.text('max.batch.size') ?? 0);
  connector.mapped('max.batch.size', 'sink.mongodb.batchRecords', size > 0 ? '' : 'the usual size');
  return size > 0 ? Math.min(size, 10_000) : undefined;
}

/** The post-processor works without being in the chain only in ours. */
function renamesOf(connector: Ledger): readonly object[] {
  const option = 'field.renamer.mapping';
  const text = connector.text(option);
  const chain = connector.text('post.processor.chain') ?? '';
  if (text === undefined || !chain.includes('RenameByMapping')) {
    connector.note(option, 'not-needed', 'empty, or its post-processor is not in the chain');
    return [];
  }
  const fields = renamedFields(text);
  if (fields === undefined) {
    connector.note(option, 'not-supported', 'only fields of values, as [{"oldName": "value.a", "newName": "b"}]');
    return [];
  }
  connector.mapped(option, 'transforms');
  return [{ rename: { fields } }];
}

function renamedFields(text: string): Readonly<Record<string, string>> | undefined {
  let mapping: unknown;
  try {
    mapping = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(mapping) || mapping.length === 0) return undefined;
  const fields: [string, string][] = [];
  for (const entry of mapping as readonly Readonly<Record<string, unknown>>[]) {
    const { oldName, newName } = entry;
    const plain = typeof oldName === 'string' && oldName.startsWith('value.') && typeof newName === 'string';
    if (!plain) return undefined;
    const path = `after.${oldName.slice('value.'.length)}`;
    fields.push([path, [...path.split('.').slice(0, -1), newName].join('.')]);
  }
  return Object.fromEntries(fields);
}

/** Fields that are kept or left out. */
function projectionOf(connector: Ledger): readonly object[] {
  const type = connector.text('value.projection.type')?.toLowerCase() ?? 'none';
  const fields = (connector.text('value.projection.list') ?? '').split(',').map((field) => field.trim());
  const paths = fields.filter((field) => field !== '').map((field) => `after.${field}`);
  const options = ['value.projection.type', 'value.projection.list'];
  const chain = connector.text('post.processor.chain');
  const plain = paths.every((path) => !path.includes('*'));
  if (chain === undefined) connector.note('post.processor.chain', 'mapped', 'empty');
  else {
    const rest = chain
      .split(',')
      .filter((name) => !HANDLED.some((known) => name.trim() === `${PACKAGE}processor.${known}`));
    const outcome = rest.length === 0 ? 'mapped' : 'not-supported';
    connector.note(
      'post.processor.chain',
      outcome,
      rest.length === 0 ? '' : `not known: ${rest.join(', ')}`,
      'transforms',
    );
  }
  if (type === 'none' || paths.length === 0 || !plain) {
    const lost = type !== 'none' && !plain;
    const reason = lost ? 'patterns with * are not understood' : 'empty';
    for (const option of options) connector.note(option, lost ? 'not-supported' : 'not-needed', reason);
    return [];
  }
  for (const option of options) connector.mapped(option, 'transforms');
  if (type === 'blocklist' || type === 'blacklist') return [{ $unset: paths }];
  return [{ $project: Object.fromEntries([...paths, 'after._id', 'update'].map((path) => [path, 1])) }];
}

const HANDLED = [
  'DocumentIdAdder',
  'BlockListValueProjector',
  'BlacklistValueProjector',
  'AllowListValueProjector',
  'WhitelistValueProjector',
  'field.renaming.RenameByMapping',
];

/** How the connector finds the document of a record. */
function identity(connector: Ledger): void {
  const strategy = connector.text('document.id.strategy')?.split('.').at(-1) ?? 'BsonOidStrategy';
  const option = 'document.id.strategy';
  const [outcome, reason] = STRATEGIES[strategy] ?? OTHER_KEYS;
  connector.note(option, outcome, reason);
  const overwrite = connector.flag('document.id.strategy.overwrite.existing', false);
  const own = 'document.id.strategy.overwrite.existing';
  connector.note(own, overwrite ? 'not-supported' : 'mapped', overwrite ? 'the _id of the document is kept' : '');
  const model = connector.text('writemodel.strategy')?.split('.').at(-1) ?? 'DefaultWriteModelStrategy';
  const replaces = ['DefaultWriteModelStrategy', 'ReplaceOneDefaultStrategy'].includes(model);
  const other = 'a document is replaced by its _id, or added';
  connector.note('writemodel.strategy', replaces ? 'mapped' : 'not-supported', replaces ? '' : other);
}

const STRATEGIES: Readonly<Record<string, Known>> = {
  BsonOidStrategy: ['changed', 'the _id of the document; one without an _id is a dead letter, none is made up'],
  ProvidedInKeyStrategy: ['mapped', 'the _id of the key'],
  ProvidedInValueStrategy: ['mapped', 'the _id of the document'],
};
